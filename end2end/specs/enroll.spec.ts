// Adding a node: a token, a command that really works, and the wait for the first report.

import type { Page } from "@playwright/test";

import { createHash } from "node:crypto";

import { enrollment } from "../support/server.ts";
import { FAILED_REQUEST, expect, givenSite, test, whenAlive } from "../support/site.ts";

const site = givenSite({ agents: [{}] });

const command = (page: Page) => page.locator(".command code");

async function createToken(page: Page, cluster: string): Promise<string> {
  await page.goto(`${site.url}/nodes/add`);
  await whenAlive(page);
  await page.getByLabel("Cluster").fill(cluster);
  await page.getByRole("button", { name: "Create token" }).click();
  await expect(page.getByRole("heading", { name: "Run this on the machine" })).toBeVisible();
  await whenAlive(page);
  await page.getByRole("button", { name: "Show token" }).click();
  await expect(command(page)).toHaveText(/oce_[A-Za-z0-9_-]{20,}/);
  return command(page).innerText();
}

test("the command is masked, shown on wish, copied whole, and never shown again", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: site.url });
  await page.goto(`${site.url}/nodes/add`);
  await expect(page.getByLabel("System")).toHaveValue("default");
  await expect(page.getByLabel("Cluster")).toHaveValue("local");
  await page.getByRole("button", { name: "Create token" }).click();
  await whenAlive(page);
  await expect(command(page)).toHaveText(/^curl -fsSo oc-agent (\S+)\/install\/oc-agent && echo '[0-9a-f]{64}  oc-agent' \| sha256sum -c && chmod \+x oc-agent && sudo .\/oc-agent install --server \1 --token oce_•+$/);

  await page.getByRole("button", { name: "Copy command" }).click();
  await expect(page.getByRole("button", { name: "Copied command" })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const token = /--token (oce_[A-Za-z0-9_-]{20,})$/.exec(copied)?.[1] ?? "";
  expect(copied).toContain(`install --server ${site.url} --token oce_`);
  // What it downloads is what it says.
  const offered = Buffer.from(await (await fetch(`${site.url}/install/oc-agent`)).arrayBuffer());
  expect(copied).toContain(createHash("sha256").update(offered).digest("hex"));

  await page.getByRole("button", { name: "Show token" }).click();
  await expect(command(page)).toHaveText(copied);
  await page.getByRole("button", { name: "Hide token" }).click();
  await expect(command(page)).toHaveText(/oce_•+/);

  // What is left of it elsewhere is its id.
  await page.goto(`${site.url}/nodes/add`);
  await expect(page.getByRole("region", { name: "Tokens that still work" })).toContainText("0 of 1 used");
  expect(await page.content()).not.toContain(token);
});

test("the page tells by itself when the machine has reported", async ({ page }) => {
  const shown = await createToken(page, "app-eu");
  await expect(page.getByRole("status").filter({ hasText: "Waiting for a node to use the token" })).toBeVisible();

  const words = enrollment(shown);
  const agent = await site.server.agentBy(words, { config: 'interval = "2s"\nname = "newcomer"\n' });

  const done = page.getByRole("status").filter({ hasText: "newcomer reported" });
  await expect(done).toBeVisible({ timeout: 20_000 });
  await done.getByRole("link", { name: "Open node" }).click();
  await expect(page).toHaveURL(`${site.url}/nodes/${agent.nodeId}`);
  await expect(page.getByRole("heading", { name: "newcomer", level: 1 })).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Breadcrumb" })).toContainText("app-eu");

  // It was for one node.
  const again = site.server.agentBy(words);
  await expect(again).rejects.toMatchObject({ code: 3, stderr: expect.stringContaining("token") });
});

test("a revoked token is gone and admits nobody", async ({ page }) => {
  const shown = await createToken(page, "db-eu");
  await page.getByRole("button", { name: "Revoke this token" }).click();
  await expect(page).toHaveURL(`${site.url}/nodes/add`);
  await expect(page.getByRole("listitem").filter({ hasText: "db-eu" })).toHaveCount(0);
  await expect(site.server.agentBy(enrollment(shown))).rejects.toMatchObject({
    code: 3,
    stderr: expect.stringContaining("taken back"),
  });

  // The same from the list of those that still work.
  await createToken(page, "edge-eu");
  await page.goto(`${site.url}/nodes/add`);
  const token = page.getByRole("region", { name: "Tokens that still work" }).getByRole("listitem").filter({ hasText: "edge-eu" });
  await token.getByRole("button", { name: /^Revoke token / }).click();
  await expect(token).toHaveCount(0);
});

test("a node that came with review counts only after a person has approved it", async ({ page }) => {
  await page.goto(`${site.url}/nodes/add`);
  await whenAlive(page);
  await page.getByLabel("Cluster").fill("review-eu");
  await page.getByLabel("Nodes wait for an administrator’s approval").check();
  await page.getByRole("button", { name: "Create token" }).click();
  await page.getByRole("button", { name: "Show token" }).click();
  await expect(command(page)).toHaveText(/oce_[A-Za-z0-9_-]{20,}/);
  const words = enrollment(await command(page).innerText());
  const agent = await site.server.agentBy(words, { config: 'interval = "2s"\nname = "guest"\n' });

  await page.goto(`${site.url}/nodes/${agent.nodeId}`);
  const header = page.locator(".node-header");
  await expect(header).toContainText(/review|approval/i);
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page).toHaveURL(`${site.url}/nodes/${agent.nodeId}`);
  await expect(header).toContainText("OK", { timeout: 15_000 });
  await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);
  await expect(page.getByRole("region", { name: "Events" })).toContainText(/approved/);
});

test("wrong fields are named, and what was typed is kept", async ({ page, watch }) => {
  watch.allow(FAILED_REQUEST);
  await page.goto(`${site.url}/nodes/add`);
  await whenAlive(page);
  await page.getByLabel("System").fill("Shop Prod");
  await page.getByLabel("Cluster").fill("<b>eu</b>");
  await page.getByLabel("Token valid for").selectOption("12h");
  await page.getByLabel("For how many nodes").fill("0");
  await page.locator("form.step-form").evaluate((form: HTMLFormElement) => (form.noValidate = true));
  const posted = page.waitForResponse((response) => response.request().method() === "POST");
  await page.getByRole("button", { name: "Create token" }).click();
  expect((await posted).status()).toBe(422);

  await expect(page.getByRole("alert")).toHaveText("Please correct the fields below; nothing was changed.");
  await expect(page.getByLabel("System")).toHaveValue("Shop Prod");
  await expect(page.getByLabel("System")).toHaveAccessibleDescription(/`Shop Prod` is not a name/);
  await expect(page.getByLabel("Cluster")).toHaveValue("<b>eu</b>");
  await expect(page.getByLabel("Cluster")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Token valid for")).toHaveValue("12h");
  await expect(page.getByLabel("For how many nodes")).toHaveValue("0");
  await expect(page.getByText("0 is not from 1 to")).toBeVisible();

  await page.getByLabel("System").fill("default");
  await page.getByLabel("Cluster").fill("app-eu");
  await page.getByLabel("For how many nodes").fill("1");
  await page.getByRole("button", { name: "Create token" }).click();
  await expect(page.getByRole("heading", { name: "Run this on the machine" })).toBeVisible();
});

test("whoever may only look is told who may", async ({ page, context, watch }) => {
  watch.allow(FAILED_REQUEST);
  await site.addUser("viewer", "viewer", "only looking here");
  await context.clearCookies();
  const session = await site.signIn("viewer", "only looking here");
  await context.addCookies([session]);
  const answer = await page.goto(`${site.url}/nodes/add`);
  expect(answer?.status()).toBe(403);
  await expect(page.getByRole("heading", { name: "Not allowed", level: 1 })).toBeVisible();
  await expect(page.getByRole("main")).toContainText(/operator/);
  await expect(page.getByRole("button", { name: "Create token" })).toHaveCount(0);
  await page.getByRole("link", { name: "Go to the overview" }).click();
  await expect(page.locator(".headline")).toBeVisible();

  const post = await fetch(`${site.url}/nodes/add`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: site.url, cookie: `${session.name}=${session.value}` },
    body: new URLSearchParams({ system: "default", cluster: "local", ttl: "10m", uses: "1" }),
  });
  expect(post.status).toBe(403);
});
