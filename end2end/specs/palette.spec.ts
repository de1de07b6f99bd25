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
  await box.fill("#tier");
  await expect(options).toHaveCount(0);
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
    await page.goto(`${site.url}/search?q=%3Cb%3Enothing`);
    await expect(page.getByText("Nothing goes by “<b>nothing”.")).toBeVisible();
  });
});
