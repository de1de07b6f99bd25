// Finding things by a few letters, and doing things by keys.

import { expectAccessible } from "../support/axe.ts";
import { expect, givenSite, test, whenAlive } from "../support/site.ts";

const site = givenSite({ agents: [{ config: 'interval = "1s"\nname = "web-1"\n', cluster: "web" }, { config: 'interval = "1s"\nname = "db-1"\n', cluster: "db" }] });

test("Ctrl K, letters, arrows and Enter lead to a node; Escape leads back", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenAlive(page);
  const link = page.getByRole("link", { name: "Search" });
  await link.focus();
  await page.keyboard.press("Control+k");
  const box = page.getByRole("combobox");
  await expect(box).toBeFocused();
  await expect(page.getByRole("option", { name: /Overview/ })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(box).toBeHidden();
  await expect(link).toBeFocused();

  await page.keyboard.press("Control+k");
  await page.keyboard.type("web");
  const options = page.getByRole("option");
  await expect(options.first()).toContainText("Cluster");
  await expect(options.first()).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("ArrowDown");
  await expect(options.nth(1)).toHaveAttribute("aria-selected", "true");
  await expect(options.nth(1)).toContainText("web-1");
  await expect(box).toHaveAttribute("aria-activedescendant", (await options.nth(1).getAttribute("id")) ?? "");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "web-1", level: 1 })).toBeVisible();
  await expect(box).toBeHidden();
});

test("the button opens it, a click chooses, and what nothing goes by says so", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenAlive(page);
  await page.getByRole("link", { name: "Search" }).click();
  await page.getByRole("combobox").fill("zzz");
  await expect(page.getByText("Nothing goes by that")).toBeVisible();
  await page.getByRole("combobox").fill("enroll");
  await page.getByRole("option", { name: /Add a node/ }).click();
  await expect(page.getByRole("heading", { name: "Add a node", level: 1 })).toBeVisible();
});

test("it speaks the language of lists; a mark in front asks for one kind", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenAlive(page);
  await page.keyboard.press("Control+k");
  const box = page.getByRole("combobox");
  const options = page.getByRole("option");
  await box.fill("cluster:db status:ok,unknown");
  await expect(options).toHaveText([/db-1/]);
  await box.fill("> about");
  await expect(options).toHaveText([/About this server/]);
  await box.fill("?");
  await expect(options.filter({ hasText: "#tier=edge" })).toBeVisible();
  await options.filter({ hasText: "actions and pages" }).click();
  await expect(box).toHaveValue(">");
  await expect(options.first()).toContainText("Action");
  await box.fill("#tier");
  await expect(options).toHaveCount(0);
});

test("actions press what stands on the page, and what is not there is not offered", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenAlive(page);
  await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("> pause");
  await page.keyboard.press("Enter");
  await expect(page.locator(".live-text")).toContainText("Paused at");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("> copy");
  await expect(page.getByRole("option")).toHaveText([/Copy link to this page/]);
  await page.getByRole("combobox").fill("> dark theme");
  await page.keyboard.press("Enter");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("what is chosen by arrows is in sight", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenAlive(page);
  await page.keyboard.press("Control+k");
  const options = page.getByRole("option");
  await expect(options.first()).toBeVisible();
  // From the first to the last of a list that is longer than its room.
  await page.keyboard.press("ArrowUp");
  await expect(options.last()).toHaveAttribute("aria-selected", "true");
  await expect(options.last()).toBeInViewport({ ratio: 1 });
});

test("what was seen lately is offered first", async ({ page }) => {
  await page.goto(`${site.url}/nodes`);
  await whenAlive(page);
  await page.locator("tbody").getByRole("link", { name: "db-1" }).click();
  await expect(page.getByRole("heading", { name: "db-1", level: 1 })).toBeFocused();
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("option").first()).toContainText("db-1");
  await expect(page.getByRole("option").first()).toContainText("seen lately");
});

test("rows by keys: down, up, open, and Back leads to where one was", async ({ page }) => {
  await page.goto(`${site.url}/nodes?sort=name`);
  await whenAlive(page);
  const link = (name: string) => page.locator("tbody").getByRole("link", { name });
  await page.keyboard.press("j");
  await expect(link("db-1")).toBeFocused();
  await page.keyboard.press("j");
  await expect(link("web-1")).toBeFocused();
  await page.keyboard.press("j");
  await expect(link("web-1")).toBeFocused();
  await page.keyboard.press("k");
  await expect(link("db-1")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "db-1", level: 1 })).toBeFocused();
  await page.goBack();
  await expect(link("db-1")).toBeFocused();
});

test("x ticks the row, X all up to it, and so does a click with Shift", async ({ page }) => {
  await page.goto(`${site.url}/nodes?sort=name`);
  await whenAlive(page);
  const box = (name: string) => page.getByRole("checkbox", { name: `Select ${name}` });
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await expect(box("db-1")).toBeChecked();
  await page.keyboard.press("x");
  await expect(box("db-1")).not.toBeChecked();
  await page.keyboard.press("j");
  await page.keyboard.press("Shift+X");
  await expect(box("db-1")).toBeChecked();
  await expect(box("web-1")).toBeChecked();
  await box("db-1").uncheck();
  await box("web-1").click({ modifiers: ["Shift"] });
  await expect(box("db-1")).not.toBeChecked();
  await expect(box("web-1")).not.toBeChecked();
  // A box that has focus takes no letters.
  await page.keyboard.press("k");
  await expect(page.locator("tbody").getByRole("link", { name: "db-1" })).toBeFocused();
});

test("t leads to the time range, C copies a link that stands still", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await site.whenMeasured();
  await page.goto(`${site.url}${site.nodePath}?range=6h`);
  await whenAlive(page);
  await page.keyboard.press("t");
  await expect(page.getByRole("list", { name: "Time range" }).getByRole("link", { name: "6 h" })).toBeFocused();
  await page.keyboard.press("Shift+C");
  await expect(page.locator(".copied-note")).toContainText("Copied http");
  const copied = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  expect(copied.pathname).toBe(site.nodePath);
  expect([...copied.searchParams.keys()].sort()).toEqual(["from", "to"]);
});

test("focus keeps while pages live: on the heading, and on what scrolls", async ({ page }) => {
  await page.goto(`${site.url}/nodes`);
  await whenAlive(page);
  await page.locator("nav.rail").getByRole("link", { name: "Overview" }).click();
  const heading = page.getByRole("heading", { name: "Overview", level: 1 });
  await expect(heading).toBeFocused();
  await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
  const age = page.locator(".events time").first();
  const before = await age.textContent();
  await expect.poll(() => age.textContent(), { timeout: 30_000 }).not.toBe(before);
  await expect(heading).toBeFocused();
  await page.goto(`${site.url}/nodes`);
  await whenAlive(page);
  const region = page.getByRole("region", { name: "Nodes" });
  await region.focus();
  const report = page.locator('tbody td[data-column="report"]').first();
  const seen = await report.textContent();
  await expect.poll(() => report.textContent(), { timeout: 30_000 }).not.toBe(seen);
  await expect(region).toBeFocused();
});

test("single keys press what they stand beside; two letters lead to pages", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenAlive(page);
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await expect(page.getByRole("heading", { name: "Nodes", level: 1 })).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();
  // In a field letters are letters.
  await page.keyboard.type("gop?");
  await expect(page.getByRole("searchbox")).toHaveValue("gop?");
  await page.getByRole("searchbox").blur();
  await page.keyboard.press("p");
  await expect(page.locator(".live-text")).toContainText("Paused at");
  await page.keyboard.press("p");
  await expect(page.locator(".live-text")).toHaveText("Live");
  await page.keyboard.press("?");
  const sheet = page.getByRole("dialog", { name: "Keys" });
  await expect(sheet).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(sheet).toBeHidden();
});

test.describe("where single keys are off", () => {
  test("they do nothing; Ctrl K still searches", async ({ page, context }) => {
    await context.addCookies([{ name: "keys", value: "off", url: site.url }]);
    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
    await page.keyboard.press("p");
    await page.keyboard.press("?");
    await page.keyboard.press("/");
    await page.keyboard.press("Control+k");
    await expect(page.getByRole("combobox")).toBeFocused();
    await expect(page.getByRole("dialog", { name: "Keys" })).toBeHidden();
    await expect(page.locator(".live-text")).toHaveText("Live");
  });
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("the button is a link to a page that searches", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await page.getByRole("link", { name: "Search" }).click();
    await expect(page).toHaveURL(`${site.url}/search`);
    await page.getByRole("searchbox").fill("db");
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page).toHaveURL(`${site.url}/search?q=db`);
    await page.getByRole("main").getByRole("link", { name: /db-1/ }).click();
    await expect(page.getByRole("heading", { name: "db-1", level: 1 })).toBeVisible();
    await page.goto(`${site.url}/search?q=1`);
    await expect(page.getByRole("status").filter({ hasText: "2 nodes" })).toBeVisible();
    await page.goto(`${site.url}/search?q=%3Cb%3Enothing`);
    await expect(page.getByText("Nothing goes by “<b>nothing”.")).toBeVisible();
  });
});
