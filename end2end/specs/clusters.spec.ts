// Clusters: the list, a cluster with its tabs, settings as a plain form.

import { FAILED_REQUEST, expect, givenSite, test, whenAlive } from "../support/site.ts";

test.describe("two clusters", () => {
  const site = givenSite({
    agents: [
      { cluster: "app-eu", config: 'interval = "2s"\nname = "alpha"\n' },
      { cluster: "db-eu", config: 'interval = "2s"\nname = "beta"\n' },
    ],
  });

  test("the list says how each is and why, and leads to it", async ({ page }) => {
    await page.goto(`${site.url}/clusters`);
    await expect(page).toHaveTitle("Clusters · Operations Center");
    const row = page.getByRole("row").filter({ hasText: "app-eu" });
    await expect(row).toContainText("OK");
    await expect(row).toContainText("1 of 1 OK");
    await expect(row.getByRole("link", { name: "alpha: OK" })).toHaveAttribute("href", site.nodePath);
    await row.getByRole("link", { name: "app-eu" }).click();
    await expect(page).toHaveURL(`${site.url}/clusters/app-eu`);
    await expect(page.getByRole("heading", { name: "app-eu", level: 1 })).toBeVisible();
  });

  test("filter and order are the address", async ({ page }) => {
    await page.goto(`${site.url}/clusters?q=db`);
    await expect(page.getByRole("row").filter({ hasText: "db-eu" })).toBeVisible();
    await expect(page.getByRole("row").filter({ hasText: "app-eu" })).toHaveCount(0);
    await page.goto(`${site.url}/clusters`);
    await whenAlive(page);
    const head = page.getByRole("columnheader", { name: "Cluster" });
    await head.getByRole("link").click();
    await expect(page).toHaveURL(`${site.url}/clusters?sort=name`);
    await expect(head).toHaveAttribute("aria-sort", "ascending");
    await page.goto(`${site.url}/clusters?q=nothing`);
    await expect(page.getByText("No clusters match “nothing”")).toBeVisible();
    await page.getByRole("link", { name: "Show all clusters" }).click();
    await expect(page).toHaveURL(`${site.url}/clusters`);
  });

  test("a cluster shows its signals, charts, heatmap, nodes and what changed", async ({ page }) => {
    await site.whenMeasured();
    await page.goto(`${site.url}/clusters/app-eu`);
    await expect(page.locator(".cluster-reason")).toHaveText("1 of 1 OK");
    for (const signal of ["Traffic", "Errors", "Latency", "Saturation"]) {
      await expect(page.locator(".signals dt").filter({ hasText: signal })).toBeVisible();
    }
    await expect(page.getByRole("img", { name: /^Processor of app-eu, last hour/ })).toBeVisible();
    await expect(page.getByRole("img", { name: /^Processor of 1 node of app-eu/ })).toBeVisible();
    const rows = page.getByRole("group", { name: "Nodes, highest first" });
    await expect(rows.getByRole("link", { name: "alpha" })).toHaveAttribute("href", site.nodePath);
    await expect(page.getByRole("region", { name: "What changed" }).getByText(/enrolled/).first()).toBeVisible();
    await page.getByRole("link", { name: "6 h", exact: true }).click();
    await expect(page).toHaveURL(`${site.url}/clusters/app-eu?range=6h`);
    await expect(page.getByRole("img", { name: /^Processor of app-eu, last 6 hours/ })).toBeVisible();
  });

  test("charts are read together, and nodes over time are shown by another metric", async ({ page }) => {
    await site.whenMeasured();
    await page.goto(`${site.url}/clusters/app-eu?range=15m`);
    await whenAlive(page);
    const chart = page.getByRole("slider", { name: "Read Processor" });
    await chart.focus();
    await page.keyboard.press("End");
    await expect(chart).toHaveAttribute("aria-valuetext", /^\d\d:\d\d:\d\d UTC: 1 node /);
    await expect(page.locator("#chart-memory .chart-readout")).toBeVisible();
    await page.keyboard.press("Escape");
    await page.getByRole("list", { name: "Show nodes over time by" }).getByRole("link", { name: "Memory" }).click();
    await expect(page).toHaveURL(`${site.url}/clusters/app-eu?range=15m&metric=memory`);
    await expect(page.getByRole("heading", { name: "Memory by node" })).toBeVisible();
  });

  test("the table has the columns of the first operations center", async ({ page }) => {
    await page.goto(`${site.url}/clusters/app-eu/nodes`);
    await whenAlive(page);
    await page.getByRole("link", { name: "Stat table" }).click();
    for (const column of ["Cluster", "IP", "Sub domain", "Admin URL", "Uptime", "Total RAM", "Free RAM", "Threads", "Status"]) {
      await expect(page.getByRole("columnheader", { name: column, exact: true })).toBeVisible();
    }
    await expect(page.getByRole("row").filter({ hasText: "alpha" })).toContainText(/GiB|MiB/);
  });

  test("tabs are paths", async ({ page }) => {
    await page.goto(`${site.url}/clusters/app-eu`);
    await whenAlive(page);
    const tabs = page.getByRole("navigation", { name: "Cluster" });
    await tabs.getByRole("link", { name: "Nodes 1" }).click();
    await expect(page).toHaveURL(`${site.url}/clusters/app-eu/nodes`);
    await expect(page.getByRole("row").filter({ hasText: "alpha" })).toContainText("OK");
    await expect(tabs.getByRole("link", { name: "Nodes 1" })).toHaveAttribute("aria-current", "page");
    await tabs.getByRole("link", { name: "Events" }).click();
    await expect(page).toHaveURL(`${site.url}/clusters/app-eu/events`);
    await expect(page.getByText(/node enrolled/).first()).toBeVisible();
  });

  test("settings keep what was typed, name what is wrong, and say when they are saved", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    await page.goto(`${site.url}/clusters/db-eu/settings`);
    await whenAlive(page);
    await page.getByLabel("Minimum available").fill("most");
    await page.getByLabel("Notes").fill("Ask Ann.\nRunbook: https://example.org/db");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText(/`most` is no minimum/)).toBeVisible();
    await expect(page.getByLabel("Minimum available")).toHaveAttribute("aria-invalid", "true");
    await expect(page.getByLabel("Notes")).toHaveValue("Ask Ann.\nRunbook: https://example.org/db");
    await page.getByLabel("Minimum available").fill("100%");
    await page.getByLabel("Kind").selectOption("replicated");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("status").filter({ hasText: "Saved." })).toBeVisible();
    await page.goto(`${site.url}/clusters/db-eu`);
    await expect(page.locator(".cluster-reason")).toHaveText("1 of 1 OK · min 100 % = 1 available: OK (1)");
    await expect(page.getByText("Ask Ann.")).toBeVisible();
    await expect(page.getByText(/cluster settings changed/).first()).toBeVisible();
    await page.goto(`${site.url}/events?kind=cluster%20settings%20changed`);
    await expect(page.locator(".event-line").first()).toContainText("min available none → 100%");
  });

  test("the wallboard shows numbers, cells and how old they are", async ({ page }) => {
    await page.goto(`${site.url}/wall`);
    await expect(page.getByText("Both nodes are OK")).toBeVisible();
    await expect(page.getByText(/data .* old/)).toContainText("live", { timeout: 30_000 });
    await expect(page.getByRole("list", { name: "Clusters" }).getByRole("link", { name: "alpha: OK" })).toBeVisible();
    await expect(page.getByRole("navigation")).toHaveCount(0);
  });

  test("there is none of another name", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    const answer = await page.goto(`${site.url}/clusters/none`);
    expect(answer?.status()).toBe(404);
    await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
  });

  test.describe("without scripts", () => {
    test.use({ javaScriptEnabled: false });

    test("everything is there, and settings are saved", async ({ page }) => {
      await page.goto(`${site.url}/clusters/app-eu/settings`);
      await page.getByLabel("Minimum available").fill("1");
      await page.getByRole("button", { name: "Save" }).click();
      await expect(page.getByText("Saved.")).toBeVisible();
      await page.goto(`${site.url}/clusters?q=app`);
      await expect(page.getByText("1 of 1 OK · min 1 available: OK (1)")).toBeVisible();
      await page.goto(`${site.url}/clusters/app-eu`);
      await expect(page.getByRole("img", { name: /^Processor of app-eu/ })).toBeVisible();
    });
  });
});
