// The map: one query in three views, by link, by keyboard, without scripts, on a phone. Agents of this machine tell no
// connections between clusters, so edges are drawn in the server's own tests; here is what people see and press.

import type { Page } from "@playwright/test";

import { expectAccessible } from "../support/axe.ts";
import { expect, givenSite, test, whenAlive } from "../support/site.ts";

const site = givenSite({
  agents: [
    { cluster: "app-eu", config: 'interval = "2s"\nname = "alpha"\n' },
    { cluster: "app-eu", config: 'interval = "2s"\nname = "beta"\n' },
    { cluster: "db-eu", config: 'interval = "2s"\nname = "gamma"\n' },
  ],
});

const box = (name: string) => `.topo-box[data-box="${name}"]`;

test("shows every cluster with its nodes, without a shift when it comes to life", async ({ page }) => {
  await page.goto(`${site.url}/topology`);
  await expect(page).toHaveTitle("Topology · Operations Center");
  await expect(page.locator(`${box("app-eu")} .topo-cell`)).toHaveCount(2);
  await expect(page.locator(`${box("db-eu")} .topo-cell`)).toHaveCount(1);
  const before = await page.locator(`${box("db-eu")} .topo-frame`).boundingBox();
  await whenAlive(page);
  await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
  expect(await page.locator(`${box("db-eu")} .topo-frame`).boundingBox()).toEqual(before);
  await expect(page.locator(".topo-none")).toContainText(/connections/);
  expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(1_000);
});

test("a box leads to its panel, the panel to its nodes, and Back undoes it", async ({ page }) => {
  await page.goto(`${site.url}/topology`);
  await whenAlive(page);
  await page.getByRole("link", { name: /^app-eu, OK, / }).click();
  await expect(page).toHaveURL((url) => url.searchParams.get("focus") === "c:app-eu");
  const panel = page.getByRole("complementary", { name: "Cluster app-eu" });
  await expect(panel).toContainText("Both nodes are OK");
  await expect(panel.getByRole("link", { name: "Its nodes" })).toHaveAttribute("href", "/nodes?q=cluster:app-eu");
  await expect(panel.getByRole("link", { name: "Open cluster" })).toHaveAttribute("href", "/clusters/app-eu");
  await expect(page.locator(box("db-eu"))).toHaveAttribute("data-dimmed", "");
  await page.goBack();
  await expect(page.getByRole("complementary")).toHaveCount(0);
});

test("find dims, hide takes away and says so, only problems says that there are none", async ({ page }) => {
  await page.goto(`${site.url}/topology?find=gamma`);
  await expect(page.locator(box("app-eu"))).toHaveAttribute("data-dimmed", "");
  await expect(page.locator(box("db-eu"))).not.toHaveAttribute("data-dimmed", "");
  await page.getByRole("searchbox", { name: "Find" }).fill("");
  await page.getByRole("searchbox", { name: "Hide" }).fill("db");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page.locator(box("db-eu"))).toHaveCount(0);
  await expect(page.locator("main")).toContainText("1 cluster is hidden.");
  await page.goto(`${site.url}/topology?only=problems`);
  await expect(page.getByText("No problems", { exact: true })).toBeVisible();
});

test("the table is the first stop of the keyboard and has every node", async ({ page }) => {
  await page.goto(`${site.url}/topology`);
  await page.locator("#main").focus();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "View as table" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "Nodes, table" }).getByRole("row")).toHaveCount(4);
  await expect(page.getByRole("row", { name: /gamma/ })).toContainText("db-eu");
});

const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label")?.split(/[,:]/)[0]);

test("the graph is one stop of the keyboard, and keys walk it", async ({ page }) => {
  await page.goto(`${site.url}/topology`);
  await whenAlive(page);
  const stops = page.locator('.topo-scroll[tabindex="0"], .topo-map a[tabindex="0"]');
  await expect(stops).toHaveCount(1);
  await stops.focus();
  expect(await focused(page)).toBe("app-eu");
  // Into the nodes and among them, and out again.
  await page.keyboard.press("Space");
  expect(await focused(page)).toBe("alpha");
  await page.keyboard.press("ArrowRight");
  expect(await focused(page)).toBe("beta");
  await page.keyboard.press("ArrowRight");
  expect(await focused(page)).toBe("beta");
  await page.keyboard.press("Escape");
  expect(await focused(page)).toBe("app-eu");
  // To the box that is nearest that way; the stop goes with it.
  for (const arrow of ["ArrowRight", "ArrowDown"]) await page.keyboard.press(arrow);
  expect(await focused(page)).toBe("db-eu");
  await expect(stops).toHaveAttribute("aria-label", /^db-eu, /);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("complementary", { name: "Cluster db-eu" })).toBeVisible();
  await expect.poll(() => focused(page)).toBe("db-eu");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("complementary")).toHaveCount(0);
  await expect.poll(() => focused(page)).toBe("db-eu");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("link", { name: "View as table" })).toBeFocused();
  await stops.focus();
  await page.keyboard.press("Shift+Enter");
  await expect(page).toHaveURL(`${site.url}/clusters/db-eu`);
});

test("sizes have keys, keep the middle, and show the whole in small when it is far larger", async ({ page }) => {
  await page.setViewportSize({ width: 900, height: 420 });
  await page.goto(`${site.url}/topology`);
  await whenAlive(page);
  const width = async () => (await page.locator(".topo-map").boundingBox())?.width ?? 0;
  await page.keyboard.press("0");
  await expect(page).toHaveURL(/zoom=100/);
  const natural = await width();
  await page.keyboard.press("+");
  await expect(page).toHaveURL(/zoom=150/);
  expect(await width()).toBeCloseTo(natural * 1.5, 0);
  await page.keyboard.press("+");
  await expect(page).toHaveURL(/zoom=200/);
  await page.keyboard.press("-");
  await expect(page).toHaveURL(/zoom=150/);
  await page.keyboard.press("f");
  await expect(page).not.toHaveURL(/zoom=/);
  await expect(page.locator(".topo-mini")).toBeHidden();
  // Dragging moves the drawing and follows no link.
  await page.setViewportSize({ width: 800, height: 800 });
  await page.goto(`${site.url}/topology?zoom=200`);
  await whenAlive(page);
  const left = async () => page.locator(".topo-scroll").evaluate((frame) => frame.scrollLeft);
  await expect.poll(left).toBeGreaterThan(0);
  const before = await left();
  const head = await page.locator(`${box("app-eu")} .topo-head`).boundingBox();
  const [x, y] = [(head?.x ?? 0) + (head?.width ?? 0) - 20, (head?.y ?? 0) + 20];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 30, y, { steps: 4 });
  await page.mouse.up();
  expect(await left()).toBeCloseTo(before + 30, 0);
  await expect(page).not.toHaveURL(/focus=/);
  await page.setViewportSize({ width: 800, height: 150 });
  await expect(page.locator(".topo-mini")).toBeVisible();
});

test("cells are coloured by a value, which their names and the table say, too", async ({ page }) => {
  await page.goto(`${site.url}/topology?color=memory`);
  await expect(page.getByRole("link", { name: /^alpha: OK, memory \d/, includeHidden: true })).toHaveCount(1);
  await expect(page.locator(`${box("app-eu")} .topo-cell use`).first()).toHaveAttribute("href", /^#topo-tint-[1-7]$/);
  await page.locator(".topo-legend > summary").click();
  await expect(page.getByRole("list", { name: "Memory" }).getByRole("listitem")).toHaveCount(7);
  await page.goto(`${site.url}/topology?color=memory&view=table`);
  await expect(page.getByRole("row", { name: /alpha/ })).toContainText(/memory \d/);
});

test("clusters are grouped, a group is entered, and what was is shown as what was", async ({ page }) => {
  await page.goto(`${site.url}/topology?group=system`);
  await page.getByRole("link", { name: /^default, OK, 2 clusters/ }).click();
  await expect(page.locator(box("db-eu"))).toBeVisible();
  await page.goto(`${site.url}/topology?to=2020-01-01T00:00:00Z`);
  await expect(page.getByText(/The map as of 2020-01-01 00:00:00 UTC/)).toBeVisible();
  await page.getByRole("link", { name: "Back to now" }).click();
  await expect(page.locator(box("db-eu"))).toBeVisible();
});

test("a moved box stays where it was put, and Tidy puts it back", async ({ page }) => {
  const at = async () => page.locator(`${box("db-eu")} .topo-frame`).getAttribute("y");
  // A box has a place once the server has looked, every ten seconds.
  await expect(async () => {
    await page.goto(`${site.url}/topology?focus=c:db-eu`);
    await page.locator(".topo-move:not(.topo-declare) > summary").click();
    await page.getByRole("button", { name: "Down" }).click();
    await expect(page).toHaveURL((url) => url.pathname === "/topology", { timeout: 1_000 });
  }).toPass({ timeout: 30_000 });
  const before = Number(await at());
  await page.locator(".topo-move:not(.topo-declare) > summary").click();
  await page.getByRole("button", { name: "Down" }).click();
  await expect.poll(async () => Number(await at())).toBe(before + 48);
  await page.locator(".topo-move:not(.topo-declare) > summary").click();
  await expect(page.getByRole("button", { name: "Unpin" })).toBeVisible();
  await page.getByRole("button", { name: "Tidy" }).click();
  await expect.poll(async () => Number(await at())).toBeLessThan(before);
});

test("cells show every node by cluster", async ({ page }) => {
  await page.goto(`${site.url}/topology?view=cells`);
  await expect(page.getByRole("link", { name: "alpha: OK" })).toBeVisible();
  await expect(page.locator(".topo-cluster")).toHaveCount(2);
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("the map is drawn, its boxes are links, its form works", async ({ page }) => {
    await page.goto(`${site.url}/topology`);
    await expect(page.locator(`${box("app-eu")} .topo-cell`)).toHaveCount(2);
    // Boxes are stops in reading order, cells are none.
    const stops = await page.locator('.topo-map a[tabindex="0"]').evaluateAll((links) =>
      links.map((link) => link.getAttribute("aria-label")?.split(",")[0]),
    );
    expect(stops).toEqual(["app-eu", "db-eu"]);
    await page.getByRole("link", { name: /^db-eu, OK, / }).click();
    await expect(page.getByRole("complementary", { name: "Cluster db-eu" })).toBeVisible();
    await page.getByRole("searchbox", { name: "Hide" }).fill("app");
    await page.getByRole("button", { name: "Show" }).click();
    await expect(page).toHaveURL((url) => url.searchParams.get("focus") === "c:db-eu");
    await expect(page.locator(box("app-eu"))).toHaveCount(0);
  });
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test("there is a ladder instead of a drawing", async ({ page }) => {
    await page.goto(`${site.url}/topology`);
    await expect(page.locator(".topo-map")).toBeHidden();
    await page.getByRole("navigation", { name: "Clusters" }).getByRole("link", { name: "db-eu" }).click();
    const panel = page.getByRole("complementary", { name: "Cluster db-eu" });
    await expect(panel.getByRole("heading", { name: "Used by" })).toBeVisible();
    await expect(panel.getByRole("heading", { name: "Depends on" })).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  });
});

for (const path of ["/topology", "/topology?view=cells", "/topology?view=table", "/topology?focus=c:app-eu", "/topology?color=cpu&zoom=150"]) {
  test(`is accessible: ${path}`, async ({ page }) => {
    for (const width of [1280, 360]) {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.goto(site.url + path);
        await whenAlive(page);
        await expectAccessible(page);
      }
    }
  });
}

// Last: it stops an agent.
test("the keyboard begins at the worst cluster, and brackets lead to problems", async ({ page }) => {
  await site.agents[2]?.stop();
  await page.goto(`${site.url}/topology`);
  await whenAlive(page);
  await expect(page.locator(`${box("db-eu")}:not([data-status="ok"])`)).toHaveCount(1, { timeout: 30_000 });
  await expect(page.locator('.topo-map a[tabindex="0"]')).toHaveAttribute("aria-label", /^db-eu, /);
  await page.locator(`${box("app-eu")} .topo-head`).focus();
  await page.keyboard.press("]");
  expect(await focused(page)).toBe("db-eu");
  await page.keyboard.press("[");
  expect(await focused(page)).toBe("db-eu");
});
