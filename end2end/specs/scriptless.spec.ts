// Everything works without scripts: views are addresses, changes are forms.

import { enrollment } from "../support/server.ts";
import { ADMIN, expect, givenSite, test } from "../support/site.ts";

test.use({ javaScriptEnabled: false });

const site = givenSite({ signedIn: false });

test("from set-up to signing out", async ({ page, context, watch }) => {
  test.slow();
  // Pages load the wasm ahead for the scripts that do not run here.
  watch.allow(/was preloaded using link preload but not used/);

  await test.step("set up", async () => {
    await page.goto(site.server.setupUrl ?? "");
    await page.getByLabel("User").fill(ADMIN.user);
    await page.getByLabel("Password").fill(ADMIN.password);
    await page.getByRole("button", { name: "Create and sign in" }).click();
    await expect(page).toHaveURL(`${site.url}/`);
    await expect(page.getByText("No nodes yet", { exact: true })).toBeVisible();
  });

  await test.step("sign in", async () => {
    await context.clearCookies();
    await page.goto(`${site.url}/nodes`);
    await page.getByLabel("User").fill(ADMIN.user);
    await page.getByLabel("Password").fill(ADMIN.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes`);
  });

  let nodeId = "";
  await test.step("add a node: the whole command is there to select", async () => {
    await page.getByRole("main").getByRole("link", { name: "Add a node" }).first().click();
    await page.getByLabel("Cluster").fill("app-eu");
    await page.getByRole("button", { name: "Create token" }).click();
    const command = page.getByRole("textbox", { name: "Command" });
    await expect(command).toBeVisible();
    await expect(command).toHaveValue(/sudo .\/oc-agent install --server \S+ --token oce_[A-Za-z0-9_-]{20,}$/);
    await expect(page.getByRole("button", { name: "Show token" })).toBeHidden();
    await expect(page.getByText("Waiting for a node to use the token")).toBeVisible();

    const words = enrollment(await command.inputValue());
    nodeId = (await site.server.agentBy(words, { config: 'interval = "1s"\nname = "plain"\n' })).nodeId;
    await page.getByRole("main").getByRole("link", { name: "Refresh" }).click();
    await expect(page.getByRole("main")).toContainText("plain reported");
    await page.getByRole("link", { name: "Open node" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes/${nodeId}`);
  });

  await test.step("the node's page, its charts and their range", async () => {
    await expect(page.getByRole("heading", { name: "plain", level: 1 })).toBeVisible();
    await site.whenMeasured(nodeId);
    await page.getByRole("link", { name: "Refresh" }).click();
    await expect(page.locator(".live-text")).toHaveText(/^As of \d\d:\d\d:\d\d UTC · Refresh$/);
    await expect(page.getByRole("img", { name: /^Processor of plain, last hour: / })).toBeVisible();
    await page.getByRole("link", { name: "15 min" }).click();
    await expect(page).toHaveURL(`${site.url}/nodes/${nodeId}?range=15m`);
    await expect(page.getByRole("img", { name: /^Processor of plain, last 15 minutes: / })).toBeVisible();
    await page.getByText("Other", { exact: true }).click();
    await page.getByLabel("From (UTC)").fill("2026-01-01T00:00:00Z");
    await page.getByLabel("To (UTC)").fill("2026-01-01T06:00:00Z");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect(page).toHaveURL(/from=2026-01-01T00(:|%3A)00(:|%3A)00Z&to=/);
    await expect(page.locator(".charts-label")).toContainText("2026-01-01");
    await expect(page.getByRole("region", { name: "Collectors" })).toContainText("measured");
  });

  await test.step("the overview", async () => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Overview" }).click();
    await expect(page.locator(".headline")).toHaveText(/The one node is OK/);
    await expect(page.getByRole("region", { name: "Capacity" })).toBeVisible();
  });

  await test.step("the list: filter, sort, status", async () => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Nodes" }).click();
    await page.getByRole("columnheader", { name: "Name" }).getByRole("link").click();
    await expect(page).toHaveURL(`${site.url}/nodes?sort=name`);
    await expect(page.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "ascending");
    await page.getByRole("searchbox").fill("nothing like it");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await expect(page).toHaveURL(`${site.url}/nodes?q=nothing+like+it&sort=name`);
    await expect(page.getByText("No nodes match “nothing like it”")).toBeVisible();
    await page.getByRole("link", { name: "Show all nodes" }).click();
    await expect(page.getByRole("table").getByRole("row")).toHaveCount(2);
  });

  await test.step("the theme", async () => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Settings" }).click();
    const theme = page.getByRole("main").getByRole("group", { name: "Theme" });
    await expect(page.locator("html")).not.toHaveAttribute("data-theme");
    await theme.getByRole("button", { name: "Dark" }).click();
    await expect(page).toHaveURL(`${site.url}/settings/profile`);
    await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
    await expect(theme.getByRole("button", { name: "Dark" })).toHaveAttribute("aria-pressed", "true");
  });

  await test.step("controls that need scripts are not there", async () => {
    await page.goto(`${site.url}/nodes/${nodeId}`);
    await expect(page.getByRole("button", { name: "Pause" })).toBeHidden();
    await expect(page.getByRole("button", { name: "Copy host name" })).toBeHidden();
  });

  await test.step("sign out", async () => {
    await page.getByRole("button", { name: "Menu of admin" }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page).toHaveURL(`${site.url}/login`);
    await page.goto(`${site.url}/nodes`);
    await expect(page).toHaveURL(/\/login\?next=/);
  });
});
