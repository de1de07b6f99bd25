// The list of nodes: each view of it is an address.

import type { Page } from "@playwright/test";

import { expect, givenSite, test, whenAlive } from "../support/site.ts";

const names = (page: Page) => page.locator("table.nodes tbody .node-link");

test.describe("two nodes", () => {
  const site = givenSite({
    agents: [
      { cluster: "app-eu", config: 'interval = "2s"\nname = "alpha"\n' },
      { cluster: "db-eu", config: 'interval = "2s"\nname = "beta"\n' },
    ],
  });

  test("shows both with their cluster and how they do", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await expect(page).toHaveTitle("Nodes · Operations Center");
    await expect(names(page)).toHaveText(["alpha", "beta"]);
    const row = page.getByRole("row").filter({ hasText: "alpha" });
    await expect(row).toContainText("app-eu");
    await expect(row).toContainText("OK");
    await expect(row).toContainText(/\d\s%/);
    await expect(page.getByRole("navigation", { name: "Pages" })).toContainText("1–2 of 2");
  });

  test("ticked rows stay ticked while the list lives, and are changed together", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    const box = page.getByRole("checkbox", { name: "Select beta" });
    await box.check();
    const menu = page.locator("summary").filter({ hasText: "1 selected" });
    await expect(menu).toBeVisible();
    // Another order: the box goes with its node.
    const head = page.getByRole("columnheader", { name: "Name" });
    await head.getByRole("link").click();
    await expect(head).toHaveAttribute("aria-sort", "ascending");
    await head.getByRole("link").click();
    await expect(names(page)).toHaveText(["beta", "alpha"]);
    await expect(box).toBeChecked();
    await expect(page.getByRole("checkbox", { name: "Select alpha" })).not.toBeChecked();
    await menu.click();
    await page.getByLabel("Tag", { exact: true }).fill("tier=edge");
    await page.getByRole("button", { name: "Add tag" }).click();
    await expect(page.locator(".bulk-summary")).toHaveText("add tag tier=edge: 1 done.");
    await page.getByRole("link", { name: "Back to the list" }).click();
    await page.goto(`${site.url}/nodes?q=tag:tier=edge`);
    await expect(names(page)).toHaveText(["beta"]);
  });

  test.describe("without scripts", () => {
    test.use({ javaScriptEnabled: false });

    test("ticked rows and tags are plain forms", async ({ page }) => {
      await page.goto(`${site.url}/nodes`);
      await page.getByRole("checkbox", { name: "Select alpha" }).check();
      await page.locator("summary").filter({ hasText: "Selection" }).click();
      await page.getByLabel("Tag", { exact: true }).fill("az=b");
      await page.getByRole("button", { name: "Add tag" }).click();
      await expect(page.locator(".bulk-summary")).toHaveText("add tag az=b: 1 done.");
      await page.getByRole("link", { name: "alpha" }).click();
      await page.getByRole("textbox", { name: "Notes" }).fill("Ask *Ann*");
      await page.getByRole("button", { name: "Save tags and notes" }).click();
      await expect(page.locator("#notes em")).toHaveText("Ann");
      await expect(page.getByRole("list", { name: "Tags" })).toHaveText("az=b");
    });
  });

  test.describe("on a phone", () => {
    test.use({ viewport: { width: 360, height: 640 }, hasTouch: true });

    test("nodes come first, filters and heads when they are asked for; a card opens wherever it is touched", async ({ page }) => {
      await page.goto(`${site.url}/nodes?sort=name`);
      await whenAlive(page);
      const card = page.locator("tbody tr").first();
      // Above the navigation, without scrolling.
      const box = await card.boundingBox();
      expect(box && box.y + box.height).toBeLessThan(560);
      const menu = page.locator("summary").filter({ hasText: "Cluster" });
      await expect(menu).toBeHidden();
      await page.getByText("Filters and order").click();
      await expect(menu).toBeVisible();
      await expect(page.getByRole("columnheader", { name: "Memory" })).toBeVisible();
      await page.getByText("Filters and order").click();
      const small = await page.locator("main :is(a, button, summary, input[type=search]):visible").evaluateAll((controls) =>
        controls.filter((one) => !one.matches(".node-link") && one.getBoundingClientRect().height < 44).map((one) => one.outerHTML.slice(0, 120)),
      );
      expect(small).toEqual([]);
      // The name reaches over the whole card, the box does not open it.
      await page.getByRole("checkbox", { name: "Select alpha" }).check();
      await card.locator('[data-column="cpu"]').click({ force: true });
      await expect(page.getByRole("heading", { name: "alpha", level: 1 })).toBeVisible();
    });
  });

  test("its head names the columns", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await expect(page.getByRole("table").locator("thead")).toMatchAriaSnapshot(`
      - rowgroup:
        - row:
          - columnheader "Status":
            - link "Status"
          - columnheader "Name":
            - link "Name"
          - columnheader "Cluster":
            - link "Cluster"
          - columnheader "CPU":
            - link "CPU"
          - columnheader "Memory":
            - link "Memory"
    `);
  });

  test("an address alone filters", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=alp`);
    await expect(names(page)).toHaveText(["alpha"]);
    await expect(page.getByRole("searchbox")).toHaveValue("alp");
    await page.goto(`${site.url}/nodes?q=db-eu`);
    await expect(names(page)).toHaveText(["beta"]);
  });

  test("the form filters, keeps the order, and Back undoes it", async ({ page }) => {
    await page.goto(`${site.url}/nodes?sort=-name`);
    await whenAlive(page);
    await expect(names(page)).toHaveText(["beta", "alpha"]);
    await page.getByRole("searchbox").fill("beta");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await expect(page).toHaveURL((url) => url.searchParams.get("q") === "beta" && url.searchParams.get("sort") === "-name");
    await expect(names(page)).toHaveText(["beta"]);
    await page.goBack();
    await expect(names(page)).toHaveText(["beta", "alpha"]);
    await expect(page.getByRole("searchbox")).toHaveValue("");
  });

  test("a head sorts, says so, and turns round", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    const head = page.getByRole("columnheader", { name: "Name" });
    await expect(head).not.toHaveAttribute("aria-sort");
    await head.getByRole("link").click();
    await expect(page).toHaveURL(`${site.url}/nodes?sort=name`);
    await expect(head).toHaveAttribute("aria-sort", "ascending");
    await expect(names(page)).toHaveText(["alpha", "beta"]);
    await head.getByRole("link").click();
    await expect(page).toHaveURL(`${site.url}/nodes?sort=-name`);
    await expect(head).toHaveAttribute("aria-sort", "descending");
    await expect(names(page)).toHaveText(["beta", "alpha"]);
    await expect(page.locator("th[aria-sort]")).toHaveCount(1);
  });

  test("a number's head sorts the greatest first", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await page.getByRole("columnheader", { name: "Memory" }).getByRole("link").click();
    await expect(page.getByRole("columnheader", { name: "Memory" })).toHaveAttribute("aria-sort", "descending");
  });

  test("nothing matches: it says so, says what is hidden, and offers the way out", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=gamma`);
    await expect(page.getByText("No nodes match “gamma”")).toBeVisible();
    await expect(page.getByText("2 nodes are hidden.")).toBeVisible();
    await page.getByRole("link", { name: "Show all nodes" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes`);
    await expect(names(page)).toHaveCount(2);
  });

  test("by status: each pill is a link that counts", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    const pills = page.getByRole("list", { name: "By status" });
    await pills.getByRole("link", { name: /OK/ }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?q=status:ok`);
    await expect(names(page)).toHaveCount(2);
    // Older links say the same.
    await page.goto(`${site.url}/nodes?status=critical`);
    await expect(page.getByText("No nodes match “status:critical”")).toBeVisible();
  });

  test("what an address says that means nothing is noted", async ({ page }) => {
    await page.goto(`${site.url}/nodes?sort=colour&per=7&unknown=1`);
    await expect(page.getByText("there is no column `colour` to sort by")).toBeVisible();
    await expect(page.getByText("there are no pages of 7 rows")).toBeVisible();
    await expect(names(page)).toHaveCount(2);
  });

  test("a host name leads to its node or to the list that holds it", async ({ page }) => {
    await page.goto(`${site.url}/nodes/by-host/beta`);
    await expect(page.getByRole("heading", { name: "beta", level: 1 })).toBeVisible();
    await page.goto(`${site.url}/nodes/by-host/gamma`);
    await expect(page).toHaveURL(`${site.url}/nodes?q=gamma`);
  });

  const chips = (page: Page) => page.getByRole("list", { name: "Filter" });

  test("terms are chips, each with its way out", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=${encodeURIComponent("cluster:app-eu cpu>=0")}`);
    await whenAlive(page);
    await expect(names(page)).toHaveText(["alpha"]);
    await expect(chips(page).getByRole("listitem")).toHaveCount(3);
    await chips(page).getByRole("link", { name: "cluster:app-eu" }).click();
    await expect(page).toHaveURL((url) => url.searchParams.get("q") === "cpu>=0");
    await expect(names(page)).toHaveCount(2);
    await expect(page.getByRole("searchbox")).toHaveValue("cpu>=0");
  });

  test("what is no filter is pointed at, and nothing is hidden", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=${encodeURIComponent("alp clster:app-eu")}`);
    const alert = page.getByRole("alert");
    await expect(alert).toContainText("did you mean `cluster`?");
    await expect(alert.locator("mark")).toHaveText("clster");
    await expect(names(page)).toHaveCount(2);
    await expect(page.getByRole("searchbox")).toHaveValue("alp clster:app-eu");
    await page.goto(`${site.url}/nodes?q=${encodeURIComponent("cpu>much alp")}`);
    await alert.getByRole("link", { name: "Leave it out" }).click();
    await expect(page).toHaveURL((url) => url.searchParams.get("q") === "alp");
  });

  test("a menu writes the same text", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=alp`);
    await whenAlive(page);
    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    const menu = page.locator("details", { hasText: "Cluster" }).first();
    await menu.locator("summary").click();
    await menu.getByRole("link", { name: "db-eu" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?q=cluster:db-eu`);
    await expect(names(page)).toHaveText(["beta"]);
    await menu.locator("summary").click();
    await menu.getByRole("link", { name: "app-eu" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?q=cluster:db-eu,app-eu`);
    await expect(names(page)).toHaveCount(2);
  });

  test("menus close with Escape and with a press beside them", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    const columns = page.locator("summary", { hasText: "Columns" });
    const open = page.locator("details[open]");
    await columns.click();
    await expect(open).toHaveCount(1);
    await page.getByLabel("Load", { exact: true }).click();
    await expect(open).toHaveCount(1);
    await page.keyboard.press("Escape");
    await expect(open).toHaveCount(0);
    await expect(columns).toBeFocused();
    await columns.click();
    await page.getByRole("heading", { level: 1 }).click();
    await expect(open).toHaveCount(0);
  });

  test("sets of columns, columns by choice, and several keys to sort by", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await whenAlive(page);
    await page.locator("summary", { hasText: "Columns" }).click();
    await page.getByRole("link", { name: "Stat table" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?view=stats`);
    const heads = page.getByRole("columnheader");
    await expect(heads).toHaveText(["Name", "Cluster", "IP", "Sub domain", "Admin URL", "Uptime", "Total RAM", "Free RAM", "Threads", "Status", "Patches"]);
    await expect(page.getByRole("row").nth(1)).toContainText(/GiB|MiB/);
    await page.goto(`${site.url}/nodes?cols=name,cpu,cluster&sort=-cluster,name`);
    await expect(heads).toHaveText(["Name", "CPU", "Cluster"]);
    await expect(names(page)).toHaveText(["beta", "alpha"]);
    await whenAlive(page);
    await heads.getByRole("link", { name: "CPU" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?sort=-cpu,-cluster,name&cols=name,cpu,cluster`);
    await page.locator("summary", { hasText: "Columns" }).click();
    await page.getByLabel("CPU", { exact: true }).uncheck();
    await page.getByLabel("Load", { exact: true }).check();
    await page.getByRole("button", { name: "Show these" }).click();
    await expect(heads).toHaveText(["Name", "Cluster", "Load"]);
  });

  test("the foot sums up all that match", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    const foot = page.locator("tfoot");
    await expect(foot.getByRole("rowheader")).toHaveText(["Median", "95 % at most", "Greatest"]);
    await expect(foot).toContainText("%");
  });

  test("the list is a file with raw numbers", async ({ page }) => {
    await page.goto(`${site.url}/nodes?q=alpha&cols=name,memory,cluster`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
    const answer = await page.request.get(download.url());
    expect(await answer.text()).toMatch(/^id,name,memory_used_ratio,cluster\r\nn[0-9a-z]{16},alpha,0\.\d+,app-eu\r\n$/);
    const json = await page.request.get(`${site.url}/nodes/export.json?q=alpha`);
    expect(((await json.json()) as { items: unknown[] }).items).toHaveLength(1);
  });

  test("while somebody is among the rows they keep their places, and a click sorts", async ({ page }) => {
    test.slow();
    await page.goto(`${site.url}/nodes?sort=status`);
    await whenAlive(page);
    await expect(names(page)).toHaveText(["alpha", "beta"]);
    await page.locator("tbody .node-link").first().focus();
    const [, beta] = site.agents;
    await beta?.kill();
    await expect(page.getByRole("row").filter({ hasText: "beta" })).toContainText("No data", { timeout: 20_000 });
    await expect(names(page)).toHaveText(["alpha", "beta"]);
    await page.getByRole("button", { name: "Order changed: sort again" }).click();
    await expect(names(page)).toHaveText(["beta", "alpha"]);
    await beta?.start();
    await expect(page.getByRole("row").filter({ hasText: "beta" })).toContainText("OK", { timeout: 20_000 });
  });

  test.describe("without scripts", () => {
    test.use({ javaScriptEnabled: false });

    test("filter, columns, and a view with a name that becomes the default", async ({ page }) => {
      await page.goto(`${site.url}/nodes`);
      await page.getByRole("searchbox").fill("cluster:db-eu");
      await page.getByRole("button", { name: "Filter", exact: true }).click();
      await expect(names(page)).toHaveText(["beta"]);
      await page.locator("summary", { hasText: "Columns" }).click();
      await page.getByLabel("Load", { exact: true }).uncheck();
      await page.getByRole("button", { name: "Show these" }).click();
      await expect(page.getByRole("columnheader", { name: "Load" })).toHaveCount(0);
      await expect(names(page)).toHaveText(["beta"]);

      await page.locator("summary", { hasText: "Views" }).click();
      await page.getByLabel("Save this view as").fill("Databases <b>");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await expect(names(page)).toHaveText(["beta"]);
      await page.locator("summary", { hasText: "Views" }).click();
      await expect(page.getByRole("link", { name: "Databases <b>" })).toHaveAttribute("aria-current", "true");
      await page.getByRole("button", { name: "My default: Databases <b>" }).click();
      await expect(page).toHaveURL(`${site.url}/nodes`);
      await expect(names(page)).toHaveText(["beta"]);
      await page.goto(`${site.url}/nodes?view=all`);
      await expect(names(page)).toHaveCount(2);
      await page.locator("summary", { hasText: "Views" }).click();
      await page.getByRole("button", { name: "Delete view Databases <b>" }).click();
      await expect(names(page)).toHaveCount(2);
    });
  });
});
