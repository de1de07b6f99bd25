// Real Chromium against real programs: `cargo xtask test --area browser`.
//
// Nothing is retried (a flaky test is a bug of the test or of the product), and nothing waits for
// `networkidle`: pages keep a live connection open. Wait for what the reader would see.

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "./specs",
  outputDir: "./test-results/artifacts",
  fullyParallel: false,
  // Each worker has its own server and browser; the machines this runs on have two cores.
  workers: 1,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"], ["json", { outputFile: "test-results/report.json" }]],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    timezoneId: "UTC",
    // Costs every test; `OPSCENTER_TRACE=1` where one is hunted.
    trace: process.env.OPSCENTER_TRACE ? "retain-on-failure" : "off",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.OPSCENTER_CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
