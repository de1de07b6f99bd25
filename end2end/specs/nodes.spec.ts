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
    await expect(page).toHaveURL(`${site.url}/nodes?status=ok`);
    await expect(names(page)).toHaveCount(2);
    await page.goto(`${site.url}/nodes?status=critical`);
    await expect(page.getByText("No nodes have status Critical")).toBeVisible();
  });

  test("what an address says that means nothing is noted", async ({ page }) => {
    await page.goto(`${site.url}/nodes?sort=colour&per=7&unknown=1`);
    await expect(page.getByText("there is no column `colour` to sort by")).toBeVisible();
    await expect(names(page)).toHaveCount(2);
  });

  test("a host name leads to its node or to the list that holds it", async ({ page }) => {
    await page.goto(`${site.url}/nodes/by-host/beta`);
    await expect(page.getByRole("heading", { name: "beta", level: 1 })).toBeVisible();
    await page.goto(`${site.url}/nodes/by-host/gamma`);
    await expect(page).toHaveURL(`${site.url}/nodes?q=gamma`);
  });
});
