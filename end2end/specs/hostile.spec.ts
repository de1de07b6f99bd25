// Text of hosts and addresses stays text. That no page violates its policy, opens a dialog or throws is watched in
// every test of every file (support/site.ts); here somebody tries.

import type { Page } from "@playwright/test";

import { canNameHosts } from "../support/server.ts";
import { FAILED_REQUEST, expect, givenSite, test, whenAlive } from "../support/site.ts";

const NAME = '<script>alert(1)</script><img src=x onerror=alert(2)>"\'&amp;';

/** What no page of ours has, whatever it is told. */
async function expectOnlyText(page: Page): Promise<void> {
  const found = await page.evaluate(() => ({
    images: document.querySelectorAll("img, iframe, object, embed").length,
    handlers: [...document.querySelectorAll("*")].filter((element) =>
      element.getAttributeNames().some((name) => name.startsWith("on")),
    ).length,
    styles: document.querySelectorAll("[style]").length,
    foreignScripts: [...document.scripts].filter((script) => /alert/.test(script.text) && !/__RESOLVED_RESOURCES/.test(script.text)).length,
  }));
  expect(found, page.url()).toEqual({ images: 0, handlers: 0, styles: 0, foreignScripts: 0 });
}

test.describe("a host with a hostile name", () => {
  const site = givenSite({ agents: [{ config: `interval = "1s"\nname = ${JSON.stringify(NAME)}\n` }] });

  test("is text on every page, before and after they come to life", async ({ page }) => {
    await site.whenMeasured();
    await page.goto(`${site.url}/`);
    await expect(page.getByRole("region", { name: "Capacity" }).locator(".node-link").first()).toHaveText(NAME);
    await expectOnlyText(page);
    await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
    await expectOnlyText(page);

    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    await expect(page.locator("table.nodes .node-link")).toHaveText(NAME);
    await expectOnlyText(page);
    await page.locator("table.nodes .node-link").click();

    await expect(page.getByRole("heading", { level: 1 })).toHaveText(NAME);
    await expect(page).toHaveTitle(`${NAME} · Operations Center`);
    await expect(page.getByRole("img", { name: `Processor of ${NAME}, last hour` })).toBeVisible();
    await expectOnlyText(page);
    await page.reload();
    await whenAlive(page);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(NAME);
    await expect(page).toHaveTitle(`${NAME} · Operations Center`);
    await expect(page.getByRole("img", { name: `Processor of ${NAME}, last hour` })).toBeVisible();
    await expectOnlyText(page);
  });

  test("so are addresses and what is typed", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    const text = '"><script>alert(1)</script>';
    const quoted = encodeURIComponent(text);
    for (const path of [
      `/nodes?q=${quoted}&sort=${quoted}&status=${quoted}&per=${quoted}`,
      `${site.nodePath}?range=${quoted}`,
      `${site.nodePath}?from=${quoted}&to=${quoted}`,
      `/nodes/${quoted}`,
      `/${quoted}`,
      `/nodes/add?token=${quoted}`,
      `/login?next=${quoted}`,
    ]) {
      await page.goto(site.url + path);
      await whenAlive(page);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expectOnlyText(page);
    }
    await page.goto(`${site.url}/nodes?q=${quoted}`);
    await expect(page.getByRole("searchbox")).toHaveValue(text);
    await expect(page.getByRole("alert")).toContainText(text);
    await expect(page.getByRole("alert")).toContainText("the quote has no end");
    await page.goto(`${site.url}/nodes?q=${encodeURIComponent(text.slice(1))}`);
    await expect(page.getByText(`No nodes match “${text.slice(1)}”`)).toBeVisible();
    await expect(page.getByRole("list", { name: "Filter" })).toContainText(text.slice(1));

    await page.goto(`${site.url}/login`);
    await page.getByLabel("User").fill(text);
    await page.getByLabel("Password").fill("whatever it may be");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expect(page.getByLabel("User")).toHaveValue(text);
    await whenAlive(page);
    await expectOnlyText(page);
  });
});

test.describe("a host whose name holds terminal codes and turns the direction of writing", () => {
  const site = givenSite();

  test("is shown with what deceives made visible", async ({ page }) => {
    test.skip(!canNameHosts(), "setting a host name needs root");
    const agent = await site.server.agent({ hostname: "web\u001b[31m-\u202egnp.exe\u200b<b>" });
    const shown = "web\ufffd[31m-\ufffdgnp.exe\ufffd<b>";
    for (const path of ["/nodes", `/nodes/${agent.nodeId}`]) {
      await page.goto(site.url + path);
      await whenAlive(page);
      await expect(page.locator("main bdi").filter({ hasText: shown }).first()).toHaveText(shown);
      await expectOnlyText(page);
      expect(await page.content()).not.toMatch(/[\u001b\u202a-\u202e\u200b-\u200f\u2066-\u2069]/);
    }
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(shown);
    expect(await page.title()).toBe(`${shown} · Operations Center`);
  });
});
