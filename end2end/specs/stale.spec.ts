// Three failures, three signs: the server is gone, the browser's line is gone, a node is silent.

import type { Page } from "@playwright/test";

import { FAILED_REQUEST, expect, givenSite, test } from "../support/site.ts";

/** What a browser writes on the console while nobody answers. */
const NOBODY_ANSWERS = [FAILED_REQUEST, /WebSocket connection (to .* )?failed/, /WebSocket Closed: code: 1006/, /WebSocket is already in CLOSING or CLOSED/, /ERR_(CONNECTION|INTERNET|NETWORK|EMPTY)/];

const liveText = (page: Page) => page.locator(".live-text");
const banner = (page: Page) => page.getByRole("status").locator(".banner", { hasText: "Connection lost" });
const reportedAt = (page: Page) => page.locator(".node-report time").getAttribute("datetime");

async function becomesLive(page: Page): Promise<void> {
  await expect(liveText(page)).toHaveText("Live", { timeout: 30_000 });
}

test.describe("the line", () => {
  const site = givenSite({ agents: [{}] });

  test("a killed server is noticed, said, and survived without a reload", async ({ page, context, watch }) => {
    test.slow();
    watch.allow(...NOBODY_ANSWERS);
    const overview = await context.newPage();
    await overview.goto(`${site.url}/`);
    await becomesLive(overview);
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    const atKill = Date.now();
    await site.server.kill();

    await expect(liveText(page)).toHaveText("Reconnecting…", { timeout: 10_000 });
    const noticed = Date.now() - atKill;
    await expect(banner(page)).toHaveCount(0);
    await expect(page.locator("main")).not.toHaveAttribute("data-stale");
    const shownFrom = await reportedAt(page);

    await expect(banner(page)).toBeVisible({ timeout: 15_000 });
    const told = Date.now() - atKill;
    await expect(liveText(page)).toHaveText("Connection lost");
    await expect(banner(page)).toContainText(/showing data from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+\ss ago\)/);
    await expect(banner(page)).toContainText(/Trying now|Retrying in \d\ss/);
    await expect(page.locator("main")).toHaveAttribute("data-stale", "");
    await expect(banner(overview)).toBeVisible();
    expect(await reportedAt(page)).toBe(shownFrom);
    // Of the ux: Reconnecting after 5 s, the banner after 15 s; a slow machine may take a little longer, never less.
    expect(noticed).toBeGreaterThan(2_500);
    expect(told).toBeGreaterThan(12_500);
    expect(told).toBeLessThan(21_000);

    await site.server.restart();
    const restartedAt = Date.now();
    await page.getByRole("button", { name: "Retry now" }).click();
    await becomesLive(page);
    await expect(banner(page)).toHaveCount(0);
    await expect(page.locator("main")).not.toHaveAttribute("data-stale");
    // The agent tries again at a time of its own, within half a minute.
    const isReporting = async () => Date.parse((await reportedAt(page)) ?? "") > restartedAt;
    await expect.poll(isReporting, { timeout: 45_000 }).toBe(true);
    expect(await page.evaluate(() => "notReloaded" in window)).toBe(true);

    // Where nobody pressed anything it comes back by itself.
    await becomesLive(overview);
    await expect(banner(overview)).toHaveCount(0);
    await expect(overview.locator(".headline")).toHaveText(/The one node is OK/, { timeout: 30_000 });

    // The session has outlived the server.
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Nodes" }).click();
    await expect(page.getByRole("table").getByRole("row")).toHaveCount(2);
    expect(await page.evaluate(() => "notReloaded" in window)).toBe(true);
  });

  test("a browser that goes offline says so, and recovers", async ({ page, context, watch }) => {
    test.slow();
    watch.allow(...NOBODY_ANSWERS);
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    await context.setOffline(true);
    // An open line is noticed by its silence.
    await expect(liveText(page)).toHaveText("Reconnecting…", { timeout: 30_000 });
    const shownFrom = await reportedAt(page);
    await context.setOffline(false);
    await becomesLive(page);
    await expect(page.locator("main")).not.toHaveAttribute("data-stale");
    await expect.poll(() => reportedAt(page), { timeout: 20_000 }).not.toBe(shownFrom);
  });

  test("a session that ends elsewhere ends the line, and says so", async ({ page, watch }) => {
    watch.allow(...NOBODY_ANSWERS);
    await page.goto(`${site.url}/`);
    await becomesLive(page);
    const session = site.session;
    if (!session) throw new Error("nobody is signed in");
    const answer = await fetch(`${site.url}/logout`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: site.url, cookie: `${session.name}=${session.value}` },
    });
    expect(answer.status).toBe(303);
    await expect(page.getByText("Your session has ended")).toBeVisible({ timeout: 15_000 });
    await expect(liveText(page)).toHaveText("Signed out");
    await expect(page.getByRole("link", { name: "Sign in again" })).toHaveAttribute("href", "/login?next=%2F");
  });
});

test.describe("a node", () => {
  const site = givenSite({ agents: [{ config: 'interval = "4s"\n' }] });

  test("that falls silent is late, then without data; its chart keeps the gap", async ({ page }) => {
    test.slow();
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    const header = page.locator(".node-header");
    await expect(header).toContainText("OK");
    await expect(page.locator("dl.values")).toHaveAttribute("data-current", "");
    const shown = await reportedAt(page);
    await expect.poll(() => reportedAt(page), { timeout: 15_000 }).not.toBe(shown);

    await site.agent.kill();
    await expect(header).toContainText("Late", { timeout: 15_000 });
    await expect(header).toContainText("No data", { timeout: 15_000 });
    await expect(header).toContainText(/Last report 1\d\ss ago/);
    await expect(page.locator("dl.values")).not.toHaveAttribute("data-current");
    await expect(liveText(page)).toHaveText("Live");

    // The other pages say the same.
    await page.goto(`${site.url}/`);
    await expect(page.locator(".headline")).toHaveText(/1 no data\s*of 1 node/);
    await expect(page.getByRole("region", { name: "Needs attention" })).toContainText("No data");
    await page.goto(`${site.url}/nodes?q=status:unknown`);
    await expect(page.getByRole("table").getByRole("row").nth(1)).toContainText("No data");

    await site.agent.start();
    await page.goto(`${site.url}${site.nodePath}?range=15m`);
    await expect(header).toContainText("OK", { timeout: 15_000 });
    const processor = page.getByRole("img", { name: /^Processor of / });
    // Before the node enrolled nothing is known either.
    await expect
      .poll(
        async () => {
          await page.reload();
          return processor.getAttribute("aria-label");
        },
        { timeout: 30_000 },
      )
      .toMatch(/now [\d.<\s]+%.*, 2 gaps$/);
  });

  test("that says goodbye is stopped, not lost", async ({ page }) => {
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    await site.agent.stop();
    await expect(page.locator(".node-header")).toContainText("Stopped", { timeout: 15_000 });
    await site.agent.start();
    await expect(page.locator(".node-header")).toContainText("OK", { timeout: 15_000 });
  });
});
