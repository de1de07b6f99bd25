// Charts that are read, zoomed, compared and taken away: by pointer, by keys, and without scripts.

import type { Page } from "@playwright/test";

import { expect, givenSite, test, whenAlive } from "../support/site.ts";

interface Series {
  points: [number, number, number, number, number][];
}

const site = givenSite({ agents: [{ config: 'interval = "1s"\n' }] });

const overlay = (page: Page, title: string) => page.getByRole("slider", { name: `Read ${title}`, exact: true });
const readout = (page: Page, key: string) => page.locator(`#chart-${key} .chart-readout`);

/** A window that ends about now and stands still. */
function lastMinutes(minutes: number): string {
  const iso = (ms: number) => new Date(ms).toISOString().slice(0, 19) + "Z";
  const now = Date.now();
  return `from=${iso(now - minutes * 60_000)}&to=${iso(now)}`;
}

/** Enough to read in: a dozen samples. */
async function whenReadable(): Promise<void> {
  const path = `nodes/${site.agent.nodeId}/series?metric=cpu_used_ratio&level=raw`;
  const points = async () => (await site.api<Series>(path).catch(() => ({ points: [] }))).points.length;
  await expect.poll(points, { timeout: 30_000 }).toBeGreaterThan(12);
}

async function openCharts(page: Page, query: () => string): Promise<void> {
  await whenReadable();
  await page.goto(`${site.url}${site.nodePath}?${query()}`);
  await whenAlive(page);
  await expect(overlay(page, "Processor")).toBeVisible();
}

test("the pointer reads one instant in all charts at once, with the values that were measured", async ({ page }) => {
  await openCharts(page, () => lastMinutes(1));
  const chart = overlay(page, "Processor");
  await chart.scrollIntoViewIfNeeded();
  const box = (await chart.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.92, box.y + box.height / 2);
  await expect(readout(page, "cpu")).toContainText(/\d\d:\d\d:\d\d UTC/);
  await expect(readout(page, "cpu")).toContainText("user");
  await expect(readout(page, "memory")).toContainText("used");
  const time = await readout(page, "cpu").locator(".readout-time").textContent();
  await expect(readout(page, "load").locator(".readout-time")).toHaveText(time ?? "");
  const lines = await page.locator(".plot-cross line").evaluateAll((all) => all.map((line) => line.getAttribute("x1")));
  expect(new Set(lines).size).toBe(1);

  // What is told is what is stored.
  const [clock] = (time ?? "").split(" ");
  const series = await site.api<Series>(
    `nodes/${site.agent.nodeId}/series?metric=memory_used_ratio&level=raw`,
  );
  const point = series.points.find(([t]) => new Date(t).toISOString().slice(11, 19) === clock);
  expect(point, `a sample at ${clock}`).toBeDefined();
  const told = (await readout(page, "memory").locator(".readout-value").textContent()) ?? "";
  expect(Math.abs(parseFloat(told) - point![2] * 100)).toBeLessThan(1);

  await page.mouse.move(2, 2);
  await expect(readout(page, "cpu")).toBeHidden();
});

test("keys go from point to point, are announced, and zoom", async ({ page }) => {
  await openCharts(page, () => lastMinutes(2));
  const chart = overlay(page, "Processor");
  await chart.focus();
  await page.keyboard.press("End");
  await expect(chart).toHaveAttribute("aria-valuetext", /^\d\d:\d\d:\d\d UTC: user /);
  await page.keyboard.press("End");
  const last = await chart.getAttribute("aria-valuetext");
  await page.keyboard.press("ArrowLeft");
  await expect(chart).not.toHaveAttribute("aria-valuetext", last ?? "");
  await page.keyboard.press("ArrowRight");
  await expect(chart).toHaveAttribute("aria-valuetext", last ?? "");
  await page.keyboard.press("Escape");
  await expect(readout(page, "cpu")).toBeHidden();
  await page.keyboard.press("End");
  await expect(readout(page, "cpu")).toBeVisible();
  await page.keyboard.press("Enter");
  await expect.poll(() => spanOf(page)).toBe(60);
});

const spanOf = (page: Page) => {
  const query = new URL(page.url()).searchParams;
  return (Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? "")) / 1000;
};

test("what is dragged over becomes the window; Escape ends the drag; links lead out again", async ({ page }) => {
  await openCharts(page, () => lastMinutes(60));
  const chart = overlay(page, "Memory");
  await chart.scrollIntoViewIfNeeded();
  const box = (await chart.boundingBox())!;
  const at = (share: number): [number, number] => [box.x + box.width * share, box.y + box.height / 2];
  await page.mouse.move(...at(0.4));
  await page.mouse.down();
  await page.mouse.move(...at(0.6), { steps: 4 });
  await expect(page.locator("#chart-cpu .plot-cross rect")).not.toHaveAttribute("width", "0.00%");
  await page.keyboard.press("Tab");
  await chart.focus();
  await page.keyboard.press("Escape");
  await page.mouse.up();
  expect(spanOf(page)).toBe(3_600);

  await page.mouse.move(...at(0.5));
  await page.mouse.down();
  await page.mouse.move(...at(0.75), { steps: 4 });
  await page.mouse.up();
  await expect.poll(() => spanOf(page)).toBeLessThan(1_000);
  expect(spanOf(page)).toBeGreaterThan(800);
  const zoomed = spanOf(page);

  await page.getByRole("link", { name: "Zoom out ×2" }).click();
  await expect.poll(() => spanOf(page)).toBe(2 * zoomed);
  await page.getByRole("link", { name: "Earlier", exact: true }).click();
  await expect(page.getByRole("link", { name: "Later" })).toBeVisible();
  await page.getByRole("link", { name: "Back to the last hour" }).click();
  await expect(page.locator(".charts-label")).toHaveText("last hour");
});

test("a chart is read by a finger, and the page still scrolls", async ({ browser }) => {
  const context = await browser.newContext({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 } });
  await context.addCookies([site.session!]);
  const page = await context.newPage();
  await openCharts(page, () => lastMinutes(1));
  const chart = overlay(page, "Memory");
  await chart.scrollIntoViewIfNeeded();
  const box = (await chart.boundingBox())!;
  await page.touchscreen.tap(box.x + box.width * 0.92, box.y + box.height / 2);
  await expect(readout(page, "memory")).toContainText("used");
  await expect(chart).toHaveCSS("touch-action", "pan-y");
  const place = (await readout(page, "memory").boundingBox())!;
  expect(place.x).toBeGreaterThanOrEqual(0);
  expect(place.x + place.width).toBeLessThanOrEqual(360);
  await context.close();
});

test("an earlier window is drawn behind, thin and dashed, where there is one", async ({ page }) => {
  await openCharts(page, () => `${lastMinutes(10)}&vs=1d`);
  await expect(page.getByRole("link", { name: "1 day earlier" })).toHaveAttribute("aria-current", "true");
  // Nothing was measured a day ago: nothing is drawn.
  await expect(page.locator("path.earlier")).toHaveCount(0);
  await page.getByRole("link", { name: "1 day earlier" }).click();
  await expect(page).not.toHaveURL(/vs=/);
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("a chart is taken away as CSV, with exact values; what happened stands in a list", async ({ page }) => {
    await whenReadable();
    await page.goto(`${site.url}${site.nodePath}?${lastMinutes(5)}`);
    await expect(page.getByRole("heading", { name: "In this window" })).toBeVisible();
    await expect(page.locator(".happened")).toContainText("enrolled");
    const link = page.getByRole("link", { name: "Memory as CSV" });
    const path = (await link.getAttribute("href")) ?? "";
    const answer = await page.request.get(site.url + path);
    expect(answer.headers()["content-type"]).toBe("text/csv; charset=utf-8");
    const [head, ...rows] = (await answer.text()).trimEnd().split("\r\n");
    expect(head).toBe("time,memory_used_ratio (ratio)");
    const values = rows.filter((row) => !row.endsWith(","));
    expect(values.length).toBeGreaterThan(1);
    for (const row of values) expect(row).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,0\.\d{3}$/);

    // As the page: not for those who are not signed in.
    const stranger = await fetch(site.url + path, { redirect: "manual" });
    expect(stranger.status).toBe(303);
    expect(stranger.headers.get("location")).toMatch(/^\/login\?next=/);
    expect((await page.request.get(site.url + path.replace("memory.csv", "nothing.csv"))).status()).toBe(404);
  });
});
