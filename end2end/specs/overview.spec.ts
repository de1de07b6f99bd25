// The first page: is anything broken, where, how full is it, what changed.

import { expect, givenSite, test } from "../support/site.ts";

test.describe("with one node", () => {
  const site = givenSite({ agents: [{}] });

  test("says that all is well, where, how full, and what happened", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await expect(page).toHaveTitle("Overview · Operations Center");
    await expect(page.locator(".headline")).toHaveText(/The one node is OK/);

    const clusters = page.getByRole("region", { name: "Clusters" });
    const cluster = clusters.getByRole("listitem").filter({ has: page.getByRole("link", { name: "local", exact: true }) });
    await expect(cluster).toContainText("1 node");
    await expect(cluster.getByRole("link", { name: /: OK$/ })).toHaveAttribute("href", site.nodePath);

    const capacity = page.getByRole("region", { name: "Capacity" });
    for (const list of ["Fullest disks", "Memory", "CPU"]) {
      await expect(capacity.getByRole("heading", { name: list })).toBeVisible();
    }
    await expect(capacity.getByText(/\d\s%/).first()).toBeVisible();

    const changes = page.getByRole("region", { name: "What changed" });
    await expect(changes.getByText(/enrolled/).first()).toBeVisible();
    await expect(changes.locator("time").first()).toHaveAttribute("datetime", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test("comes to life and says so", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
  });

  test("its heading, headline and navigation are announced as they read", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await expect(page.getByRole("navigation", { name: "Main" })).toMatchAriaSnapshot(`
      - navigation "Main":
        - list:
          - listitem:
            - link "Overview":
              - /url: /
          - listitem:
            - link "Nodes":
              - /url: /nodes
          - listitem:
            - link "Settings":
              - /url: /settings/profile
    `);
    await expect(page.getByRole("main")).toMatchAriaSnapshot(`
      - main:
        - heading "Overview" [level=1]
        - paragraph: The one node is OK
    `);
  });

  test("its links lead to the node and to the cluster's nodes", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await page.getByRole("link", { name: "local", exact: true }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?q=cluster:local`);
    await expect(page.getByRole("heading", { name: "Nodes", level: 1 })).toBeVisible();
    await page.goBack();
    await page.getByRole("region", { name: "Capacity" }).locator(".node-link").first().click();
    await expect(page).toHaveURL(site.url + site.nodePath);
  });
});

test.describe("without any node", () => {
  const site = givenSite();

  test("leads to adding one", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await expect(page.getByText("No nodes yet", { exact: true })).toBeVisible();
    await page.getByRole("main").getByRole("link", { name: "Add a node" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes/add`);
    await expect(page.getByRole("heading", { name: "Add a node", level: 1 })).toBeVisible();
  });

  test("a first node appears by itself", async ({ page }) => {
    await page.goto(`${site.url}/`);
    await expect(page.locator(".live-text")).toHaveText("Live", { timeout: 30_000 });
    await site.server.agent();
    await expect(page.locator(".headline")).toHaveText(/The one node is OK/, { timeout: 15_000 });
  });
});
