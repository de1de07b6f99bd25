// Every screen, in both themes, wide and narrow: no violation axe can find, nothing wider than the window, all by keyboard.

import type { Page } from "@playwright/test";

import { expectAccessible } from "../support/axe.ts";
import { HEIGHT, expectNoOverflow, unroll, walk } from "../support/look.ts";
import { FAILED_REQUEST, expect, givenSite, test, whenAlive } from "../support/site.ts";

// Colours are judged as they are, not on their way.
test.use({ contextOptions: { reducedMotion: "reduce" } });

const WIDTHS = [1280, 360];

/** Until colours have arrived: a change of theme is a transition, however short, on each level of the page. */
const settle = (page: Page) =>
  page.evaluate(async () => {
    for (let quiet = 0; quiet < 5; ) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      const changing = document.getAnimations().some((animation) => animation instanceof CSSTransition);
      quiet = changing ? 0 : quiet + 1;
    }
  });

/** Themes follow the system here; that the cookie does the same is checked once, below. */
async function expectGood(page: Page): Promise<void> {
  for (const width of WIDTHS) {
    await unroll(page, width);
    for (const colorScheme of ["light", "dark"] as const) {
      await test.step(`${width} px, ${colorScheme}`, async () => {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await settle(page);
        await expectAccessible(page);
      });
    }
  }
  for (const width of [360, 640]) await expectNoOverflow(page, width);
  expect(await page.locator("h1").count(), "one main heading").toBe(1);
}

async function becomesLive(page: Page): Promise<void> {
  await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
}

/** What phones show only when asked for. */
async function showTools(page: Page): Promise<void> {
  await page.locator(".list-more").evaluate((details: HTMLDetailsElement) => (details.open = true));
}

test.describe("before there is an administrator", () => {
  const site = givenSite({ signedIn: false });

  test("/setup", async ({ page }) => {
    await page.goto(site.server.setupUrl ?? "");
    await expect(page.getByRole("button", { name: "Create and sign in" })).toBeVisible();
    await whenAlive(page);
    await expectGood(page);
  });
});

test.describe("with a node", () => {
  const site = givenSite({ agents: [{ config: 'interval = "1s"\nname = "a-rather-long-host-name-of-63-characters-as-dns-permits-them-001"\n' }] });

  test("/login, also refused", async ({ page, context, watch }) => {
    watch.allow(FAILED_REQUEST);
    await context.clearCookies();
    await page.goto(`${site.url}/login`);
    await page.getByLabel("User").fill("admin");
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await whenAlive(page);
    await expectGood(page);
  });

  test("/", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await becomesLive(page);
    await expectGood(page);
  });

  test("/nodes", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await becomesLive(page);
    await expectGood(page);
  });

  for (const path of ["/clusters", "/clusters/local", "/clusters/local/nodes", "/clusters/local/nodes?view=stats", "/clusters/local/events", "/events", "/audit?verify=1"]) {
    test(path, async ({ page }) => {
      test.slow();
      await page.goto(site.url + path);
      await becomesLive(page);
      await expectGood(page);
    });
  }

  for (const path of ["/clusters/local/settings", "/clusters?q=nothing", "/events?actor=nobody", "/nodes/bulk", "/wall"]) {
    test(path, async ({ page }) => {
      test.slow();
      await page.goto(site.url + path);
      await whenAlive(page);
      await expectGood(page);
    });
  }

  test("/nodes where nothing matches", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=nothing`);
    await whenAlive(page);
    await expectGood(page);
  });

  test("/nodes with a filter, an error, and open menus", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=status:ok,unknown%20-role:x&view=stats`);
    await whenAlive(page);
    await showTools(page);
    for (const menu of ["Columns", "Views"]) {
      await page.locator("summary", { hasText: menu }).click();
      await expectGood(page);
      await page.locator("summary", { hasText: menu }).click();
    }
    await page.goto(`${site.url}/nodes?q=clster:x`);
    await whenAlive(page);
    await expectGood(page);
  });

  test("/nodes/{id}", async ({ page }) => {
    test.slow();
    await page.goto(site.url + site.nodePath);
    await becomesLive(page);
    await page.locator("details.range-other").evaluate((details: HTMLDetailsElement) => (details.open = true));
    await expectGood(page);
  });

  test("/nodes/add, before and after making a token", async ({ page }) => {
    test.slow();
    await page.goto(`${site.url}/nodes/add`);
    await whenAlive(page);
    await expectGood(page);
    await page.getByRole("button", { name: "Create token" }).click();
    await expect(page.getByRole("heading", { name: "Run this on the machine" })).toBeVisible();
    await whenAlive(page);
    await page.getByRole("button", { name: "Show token" }).click();
    await expectGood(page);
  });

  test("for whoever wants less motion nothing moves", async ({ page }) => {
    await page.goto(`${site.url}/nodes/add`);
    await whenAlive(page);
    await page.getByRole("button", { name: "Create token" }).click();
    await expect(page.getByText("Waiting for a node to use the token")).toBeVisible();
    const moving = await page.evaluate(() =>
      document
        .getAnimations()
        .filter((animation) => animation instanceof CSSAnimation && animation.playState === "running")
        .map((animation) => (animation as CSSAnimation).animationName),
    );
    expect(moving).toEqual([]);
  });

  test("/settings/profile, with the menu open", async ({ page }) => {
    await page.goto(`${site.url}/settings/profile`);
    await whenAlive(page);
    await page.getByRole("button", { name: "Menu of admin" }).click();
    await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
    await expectGood(page);
  });

  for (const path of ["/settings/about", "/search", "/search?q=nothing%20goes%20by%20this", "/offline"]) {
    test(path, async ({ page }) => {
      await page.goto(site.url + path);
      if (path === "/offline") await expect(page.getByText("The server answers.")).toBeVisible();
      else await whenAlive(page);
      await expectGood(page);
    });
  }

  test("a page that does not exist", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    const answer = await page.goto(`${site.url}/no/such/page`);
    expect(answer?.status()).toBe(404);
    await whenAlive(page);
    await expectGood(page);
  });

  test("the chosen theme is rendered by the server, against the system's", async ({ page }) => {
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(`${site.url}/settings/profile`);
    const canvas = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await canvas();
    await page.getByRole("main").getByRole("button", { name: "Dark" }).click();
    await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
    expect(await canvas()).not.toBe(light);
    await whenAlive(page);
    await settle(page);
    await expectAccessible(page);
    await page.getByRole("main").getByRole("button", { name: "System" }).click();
    await expect(page.locator("html")).not.toHaveAttribute("data-theme");
    expect(await canvas()).toBe(light);
  });

  test("by keyboard the skip link comes first and leads to the page's content", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await becomesLive(page);
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to content" });
    await expect(skip).toBeFocused();
    await expect(skip).toBeInViewport();
    await page.keyboard.press("Enter");
    await expect(page.locator("main")).toBeFocused();
    await page.keyboard.press("Tab");
    await expect(page.getByRole("main").getByRole("link", { name: "Add a node" })).toBeFocused();
  });

  for (const width of WIDTHS) {
    test(`by keyboard everything is reached, and the focus is always to be seen, at ${width} px`, async ({ page }) => {
      await page.setViewportSize({ width, height: HEIGHT });
      await page.goto(`${site.url}/nodes`);
      await becomesLive(page);
      await showTools(page);
      const list = await walk(page);
      expect(list[0]).toBe("Skip to content");
      for (const name of ["Overview", "Nodes", "Settings", "main: Add a node", "main: Status", "main: Load"]) {
        expect(list).toContain(name);
      }
      expect(list.some((name) => name.startsWith("main: a-rather-long"))).toBe(true);

      await page.goto(site.url + site.nodePath);
      await becomesLive(page);
      const node = await walk(page);
      for (const name of ["main: Copy host name", "main: 15 min", "main: Other", "main: Copy boot id"]) {
        expect(node).toContain(name);
      }
    });
  }

  test("a page reached by a link takes focus to its heading and is announced by its title", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await whenAlive(page);
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Nodes" }).click();
    await expect(page.getByRole("heading", { name: "Nodes", level: 1 })).toBeFocused();
    await expect(page).toHaveTitle("Nodes · Operations Center");
    await page.keyboard.press("Control+Home");
  });
});
