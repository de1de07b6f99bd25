// A node's page: what it is, how it does now, its charts.

import type { Page } from "@playwright/test";

import { FAILED_REQUEST, expect, givenSite, test, whenAlive } from "../support/site.ts";

interface Series {
  points: [number, number, number, number, number][];
}

/** Measures layout shifts from the first paint on, as the browser counts them for people who do nothing. */
const COUNT_SHIFTS = () => {
  const shifts = { total: 0, worst: [] as string[] };
  Object.assign(window, { shifts });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & {
      value: number;
      hadRecentInput: boolean;
      sources: { node?: Node | null }[];
    })[]) {
      if (entry.hadRecentInput) continue;
      shifts.total += entry.value;
      const nodes = entry.sources.map(({ node }) => (node instanceof Element ? `${node.tagName}.${node.className}` : "text"));
      shifts.worst.push(`${entry.value.toFixed(4)} at ${Math.round(entry.startTime)} ms: ${nodes.join(", ")}`);
    }
  }).observe({ type: "layout-shift", buffered: true });
};

/** Where the parts of the page begin, also of those out of view; not of lists, which grow and shrink, nor of what is below: the browser anchors its scrolling there. */
const placesOf = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("main :is(h1, h2, dl.values, figure.chart)")].filter((element) => !element.closest(".node-lists, .node-forms, .node-happened")).map(
      (element) => `${element.id || element.className || element.textContent}: ${Math.round(element.getBoundingClientRect().top + window.scrollY)}`,
    ),
  );

async function becomesLive(page: Page): Promise<void> {
  await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
}

const reportedAt = (page: Page) => page.locator(".node-report time").getAttribute("datetime");

test.describe("a node that reports every ten seconds", () => {
  const site = givenSite({ agents: [{ config: 'interval = "10s"\n' }] });

  test("is asked every second while somebody looks; the page follows by itself, and nothing jumps", async ({ page, context }) => {
    test.slow();
    const narrow = await context.newPage();
    await narrow.setViewportSize({ width: 360, height: 740 });
    const pages = [page, narrow];
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    await site.whenMeasured();
    // From here on everything is there that will be.
    for (const each of pages) {
      await each.addInitScript(COUNT_SHIFTS);
      await each.goto(site.url + site.nodePath);
      await becomesLive(each);
    }
    await expect(page.locator(".node-report")).toHaveText(/^Last report \d+\ss ago$/);
    const first = await reportedAt(page);
    await expect.poll(() => reportedAt(page), { timeout: 20_000 }).not.toBe(first);

    const alive = await page.evaluate(() => performance.now());
    const places = await Promise.all(pages.map(placesOf));
    const second = await reportedAt(page);
    const values = page.locator("dl.values");
    const before = await values.innerText();
    await expect.poll(() => reportedAt(page)).not.toBe(second);
    await expect(values).not.toHaveText(before, { timeout: 20_000, useInnerText: true });

    // What the page shows is what was stored: a point a second.
    await expect
      .poll(
        async () => {
          const series = await site.api<Series>(`nodes/${site.agent.nodeId}/series?metric=uptime_s&level=raw`);
          const last = series.points.slice(-5).map(([at]) => at);
          // Two on a machine that has more to do than it can; ten when nobody looks.
          const apart = last.slice(1).map((at, index) => Math.round((at - (last[index] ?? 0)) / 1000));
          return apart.length === 4 && apart.every((seconds) => seconds >= 1 && seconds <= 2);
        },
        { timeout: 20_000 },
      )
      .toBe(true);

    // Long enough for new charts, too.
    await page.waitForFunction((since) => performance.now() - since >= 20_000, alive, { timeout: 60_000, polling: 500 });
    for (const [index, each] of pages.entries()) {
      const { total, worst } = await each.evaluate(
        () => (window as unknown as { shifts: { total: number; worst: string[] } }).shifts,
      );
      const width = each.viewportSize()?.width ?? 0;
      test.info().annotations.push({ type: "measured", description: `layout shift at ${width} px: ${total.toFixed(4)}` });
      expect(total, `at ${width} px: ${worst.join("\n")}`).toBeLessThanOrEqual(0.05);
      expect(await placesOf(each), `places at ${width} px`).toEqual(places[index]);
    }
  });

  test("Pause holds what is shown, Resume lets it go on", async ({ page }) => {
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    await page.keyboard.press("p");
    await expect(page.locator(".live-text")).toHaveText(/^Paused at \d\d:\d\d:\d\d UTC$/);
    const frozen = await reportedAt(page);
    const stored = async () => (await site.api<{ last_report_at_ms: number }>(`nodes/${site.agent.nodeId}`)).last_report_at_ms;
    const atPause = await stored();
    await expect.poll(stored, { timeout: 20_000 }).toBeGreaterThan(atPause + 2_000);
    expect(await reportedAt(page)).toBe(frozen);
    await page.getByRole("button", { name: "Resume" }).click();
    await expect(page.locator(".live-text")).toHaveText("Live");
    await expect.poll(() => reportedAt(page)).not.toBe(frozen);
  });

  test("its lists are shown with their times and kept up while somebody looks, or say why they are missing", async ({ page }) => {
    interface Lists {
      processes: { items: { name: string; pid: number }[] } | null;
      listeners: { items: { port: number }[] } | null;
    }
    const lists = () => site.api<Lists>(`nodes/${site.agent.nodeId}/sections`);
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    // The page asks again by itself.
    const processes = page.getByRole("region", { name: "Processes" });
    const asOf = processes.locator(".panel-as-of");
    await expect(asOf).toHaveText(/^as of \d\d:\d\d:\d\d UTC$/, { timeout: 40_000 });
    const before = await asOf.innerText();
    await expect(asOf).not.toHaveText(before, { timeout: 40_000 });
    // The server itself is a process of this host; the kernel keeps 15 bytes of a name.
    expect((await lists()).processes?.items.map((process) => process.name)).toContain("operations-cent");
    const server = processes.locator("tr").filter({ hasText: "operations-cent" }).first();
    await expect(server).toContainText(/\d\s%/);
    await expect(server).toContainText(/\d\s[KMG]iB/);

    const port = Number(new URL(site.url).port);
    expect((await lists()).listeners?.items.map((listener) => listener.port)).toContain(port);
    const listening = page.getByRole("region", { name: "Listening" });
    const mine = listening.locator("tr").filter({ has: page.locator("th", { hasText: new RegExp(`^${port}$`) }) });
    await expect(mine).toContainText("this host only");
    await expect(mine).toContainText("127.0.0.1");

    const services = page.getByRole("region", { name: "Services" });
    await expect(services.locator("tbody tr").or(services.getByText(/systemd does not run this host|could not read it/)).first()).toBeVisible();
  });
});

test.describe("a node that reports every second", () => {
  const site = givenSite({ agents: [{ config: 'interval = "1s"\nname = "web-1"\n' }] });

  test("says what the machine is", async ({ page }) => {
    await page.goto(site.url + site.nodePath);
    await expect(page).toHaveTitle("web-1 · Operations Center");
    await expect(page.getByRole("heading", { name: "web-1", level: 1 })).toBeVisible();
    const about = page.getByRole("list", { name: "About this node" });
    await expect(about).toContainText(/\d+ cores?/);
    await expect(about).toContainText(/GiB memory/);
    await expect(about).toContainText(/up \d/);
    await expect(about).toContainText(/agent \d/);
    await expect(page.getByRole("navigation", { name: "Breadcrumb" })).toContainText("local");
    for (const resource of ["Processor", "Memory", "Fullest disk", "Network"]) {
      await expect(page.locator("dl.values dt", { hasText: resource })).toBeVisible();
    }
  });

  test("every chart is a picture with a name that tells it, and has its legend", async ({ page }) => {
    await site.whenMeasured();
    await page.goto(site.url + site.nodePath);
    const charts = page.locator("figure.chart");
    // Which ones there are depends on the host; these every Linux has.
    for (const title of ["Processor", "Memory", "Load", "Uptime", "Network"]) {
      await expect(charts.filter({ has: page.locator(".chart-title", { hasText: title }) }).first()).toBeVisible();
    }
    const count = await charts.count();
    expect(count).toBeGreaterThanOrEqual(8);
    for (let index = 0; index < count; index += 1) {
      const chart = charts.nth(index);
      const title = await chart.locator(".chart-title").innerText();
      const picture = chart.getByRole("img");
      await expect(picture, title).toHaveCount(1);
      const name = (await picture.getAttribute("aria-label")) ?? "";
      expect(name, title).toContain(`${title} of web-1, last hour: `);
      expect(name, title).toMatch(/(now .+, min .+, max .+ at \d\d:\d\d UTC|no data)/);
      await expect(picture.locator("path, polyline, polygon, line, rect").first(), title).toBeAttached();
      const legend = chart.locator("ul.legend > li");
      expect(await legend.count(), title).toBeGreaterThan(0);
      await expect(legend.first().locator(".legend-value"), title).not.toBeEmpty();
      expect(await chart.locator(".plot-labels text").count(), title).toBeGreaterThan(2);
    }
    await expect(page.getByRole("img", { name: /^Processor of web-1, last hour: now [\d.<\s]+%, min / })).toBeVisible();
  });

  test("the range is in the address and in every chart", async ({ page }) => {
    await page.goto(site.url + site.nodePath);
    await whenAlive(page);
    const presets = page.getByRole("list", { name: "Time range" });
    await expect(presets.locator("[aria-current]")).toHaveText("1 h");
    await presets.getByRole("link", { name: "15 min" }).click();
    await expect(page).toHaveURL(`${site.url}${site.nodePath}?range=15m`);
    await expect(presets.locator("[aria-current]")).toHaveText("15 min");
    await expect(page.getByRole("img", { name: /^Processor of web-1, last 15 minutes: / })).toBeVisible();
    await expect(page.locator(".charts-label")).toHaveText("last 15 minutes");

    await page.goto(`${site.url}${site.nodePath}?range=6h`);
    await expect(page.getByRole("img", { name: /^Processor of web-1, last 6 hours: / })).toBeVisible();
  });

  test("any other window is a form", async ({ page }) => {
    await page.goto(site.url + site.nodePath);
    await whenAlive(page);
    await page.getByText("Other", { exact: true }).click();
    const to = await page.getByLabel("To (UTC)").inputValue();
    expect(to).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const from = new Date(Date.parse(to) - 30 * 60_000).toISOString();
    await page.getByLabel("From (UTC)").fill(from);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect(page).toHaveURL((url) => url.searchParams.get("from") === from && url.searchParams.get("to") === to);
    await expect(page.getByRole("list", { name: "Time range" }).locator("[aria-current]")).toHaveCount(0);
    await expect(page.getByRole("img", { name: /^Processor of web-1, (?!last hour)/ })).toBeVisible();
  });

  test("a window that means nothing is noted, and the last hour is shown", async ({ page }) => {
    await page.goto(`${site.url}${site.nodePath}?range=fortnight`);
    await expect(page.getByText("`fortnight` is not a range; the last hour is shown")).toBeVisible();
    await page.goto(`${site.url}${site.nodePath}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z`);
    await expect(page.getByText("the window must end at least a minute after it begins")).toBeVisible();
  });

  test("what was measured, how long it took and what is missing is said", async ({ page }) => {
    await page.goto(site.url + site.nodePath);
    const collectors = page.getByRole("region", { name: "Collectors" });
    for (const name of ["Processors", "Memory", "Load", "Filesystems", "Disks", "Network", "Uptime", "Processes"]) {
      const line = collectors.getByRole("listitem").filter({ has: page.locator(".collector-name", { hasText: new RegExp(`^${name}$`) }) });
      await expect(line).toContainText(/measured|not on this host: .|failed: .|switched off/);
      await expect(line).toContainText(/\d\s(µs|ms|s)/);
    }
    await expect(page.getByRole("region", { name: "Filesystems" }).getByRole("row")).not.toHaveCount(0);
    await expect(page.getByRole("region", { name: "Events" })).toContainText("enrolled");
  });

  test("a node that does not exist is 404, with a search", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    const answer = await page.goto(`${site.url}/nodes/n00000000000000000000`);
    expect(answer?.status()).toBe(404);
    await expect(page.getByRole("heading", { name: "Not found", level: 1 })).toBeVisible();
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page).toHaveURL(/\/nodes\?q=n0000/);
  });
});
