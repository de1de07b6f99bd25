// The log: day by day, filtered by plain forms and links, still while it is read.

import { expect, givenSite, test, whenAlive } from "../support/site.ts";

const site = givenSite({ agents: [{ cluster: "app-eu", config: 'interval = "2s"\nname = "alpha"\n' }] });

test("shows what happened by day, with links", async ({ page }) => {
  await page.goto(`${site.url}/events`);
  await expect(page).toHaveTitle("Events · Operations Center");
  await expect(page.getByRole("heading", { level: 2 }).first()).toHaveText(/^\d{4}-\d\d-\d\d UTC$/);
  const line = page.locator(".event-line").filter({ hasText: "node enrolled" });
  // What it is about, and then whose agent it was.
  await expect(line.getByRole("link").first()).toHaveAttribute("href", site.nodePath);
  await expect(page.locator(".histogram rect.bar").first()).toBeVisible();
});

test("kinds, objects, actors and ranges are the address", async ({ page }) => {
  await page.goto(`${site.url}/events`);
  await whenAlive(page);
  await page.getByLabel("Kind").selectOption("node enrolled");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await expect(page).toHaveURL((url) => url.pathname === "/events" && url.searchParams.get("kind") === "node enrolled");
  await expect(page.locator(".event-line")).toHaveCount(1);
  await page.getByRole("list", { name: "Time range" }).getByRole("link", { name: "1 h" }).click();
  await expect(page).toHaveURL((url) => url.searchParams.get("kind") === "node enrolled" && url.searchParams.get("range") === "1h");
  await expect(page.locator(".histogram-words")).toHaveText(/^1 event, last hour, nothing before .*; one bar is \d/);
  await page.goto(`${site.url}/events?actor=nobody`);
  await expect(page.getByText(/^No events match/)).toBeVisible();
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(page.locator(".event-line").first()).toBeVisible();
});

test("every line leads somewhere, and a young log is drawn from its beginning", async ({ page }) => {
  await page.goto(`${site.url}/events`);
  const lines = await page.locator(".event-line").count();
  await expect(page.locator(".event-subject a")).toHaveCount(lines);
  await page.locator(".event-line").filter({ hasText: "signed in" }).first().locator(".event-subject a").click();
  await expect(page).toHaveURL(`${site.url}/events?object=${"admin"}&range=1y`);
  await expect(page.locator(".event-line").first()).toContainText("admin");
  await page.goto(`${site.url}/events`);
  // Of seven days whose last minutes hold everything, those are drawn.
  await expect(page.locator(".histogram-words")).toHaveText(/last 7 days, nothing before .*; one bar is \d+\ss$/);
});

test("what is new is counted and moves nothing", async ({ page }) => {
  await page.goto(`${site.url}/events?kind=node%20enrolled`);
  await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
  const first = page.locator(".event-line").first();
  const before = await first.boundingBox();
  await site.server.agent({ cluster: "app-eu", config: 'interval = "2s"\nname = "late"\n' });
  const chip = page.getByRole("link", { name: "▲ 1 new" });
  await expect(chip).toBeVisible({ timeout: 15_000 });
  await expect(page.locator(".event-line")).toHaveCount(1);
  expect(await first.boundingBox()).toEqual(before);
  await chip.click();
  await expect(page.locator(".event-line")).toHaveCount(2);
});

test("is a file, too", async ({ page }) => {
  await page.goto(`${site.url}/events`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  expect(download.suggestedFilename()).toBe("events.csv");
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("filters by its form", async ({ page }) => {
    await page.goto(`${site.url}/events`);
    await page.getByLabel("Kind").selectOption("node enrolled");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await expect(page.locator(".event-line").first()).toContainText("node enrolled");
  });
});
