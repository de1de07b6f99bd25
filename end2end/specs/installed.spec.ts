// The console as an app of the device: it can be installed, says honestly when there is no connection, keeps nothing of
// whoever has signed out, and never reloads itself.

import type { Page } from "@playwright/test";

import { expectAccessible } from "../support/axe.ts";
import { Proxy } from "../support/proxy.ts";
import { FAILED_REQUEST, expect, givenSite, test, whenAlive } from "../support/site.ts";

const site = givenSite({ agents: [{}] });

/** What a browser writes on the console while nobody answers. */
const NOBODY_ANSWERS = [FAILED_REQUEST, /WebSocket connection (to .* )?failed/, /WebSocket Closed: code: 1006/, /ERR_(CONNECTION|INTERNET|NETWORK|EMPTY)/];

/** Until the service worker is in charge of the page. */
async function whenKept(page: Page): Promise<void> {
  await whenAlive(page);
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
}

const kept = (page: Page) => page.evaluate(() => localStorage.getItem("last-headline"));

test("a browser offers to install it", async ({ page }) => {
  await page.goto(`${site.url}/`);
  await whenKept(page);
  const session = await page.context().newCDPSession(page);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  // Windows of tests have no store of their own to install to.
  expect(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito")).toEqual([]);
  const { errors, data } = await session.send("Page.getAppManifest");
  expect(errors).toEqual([]);
  const manifest = JSON.parse(data ?? "{}") as { icons: { src: string; sizes: string }[]; shortcuts: { url: string }[] };
  for (const { src, sizes } of manifest.icons) {
    const answer = await page.request.get(site.url + src);
    expect(answer.status(), src).toBe(200);
    if (sizes === "any") continue;
    const side = (await answer.body()).readUInt32BE(16);
    expect(`${side}x${side}`, src).toBe(sizes);
  }
  for (const { url } of manifest.shortcuts) expect((await page.request.get(site.url + url)).status(), url).toBe(200);
});

test("the worker itself is asked for each time, and is small", async ({ page }) => {
  const answer = await page.request.get(`${site.url}/sw.js`);
  expect(answer.headers()["cache-control"]).toBe("no-cache");
  expect((await answer.body()).length).toBeLessThan(6_000);
  expect(await answer.text()).toMatch(/const SITE = \{"files":\["\/assets\//);
});

test("without a connection a page says so, with the last headline and its age, and comes back by itself", async ({ page, context, watch }) => {
  watch.allow(...NOBODY_ANSWERS);
  await page.goto(`${site.url}/`);
  await whenKept(page);
  await expect(page.locator(".headline")).toHaveText("The one node is OK");
  await expect.poll(() => kept(page)).toContain("The one node is OK");

  await page.goto(site.url + site.nodePath);
  await whenAlive(page);
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByRole("heading", { name: "No connection" })).toBeVisible();
  await expect(page.locator("#offline-age")).toHaveText(/^As of \d{4}-\d\d-\d\d \d\d:\d\d UTC \(.+ ago\), not live:$/);
  await expect(page.locator("#offline-headline")).toHaveText("The one node is OK");
  await expect(page.locator("#offline-host")).toHaveText(new URL(site.url).host);
  await expectAccessible(page);
  // What was wanted stays wanted.
  expect(new URL(page.url()).pathname).toBe(site.nodePath);
  await expect(page.getByRole("link", { name: "Try again" })).toHaveAttribute("href", site.nodePath);

  await context.setOffline(false);
  await expect(page.locator(".node-header")).toBeVisible({ timeout: 20_000 });
});

test("a page that nobody had opened is no more to be had than any other", async ({ page, context, watch }) => {
  watch.allow(...NOBODY_ANSWERS);
  await page.goto(`${site.url}/`);
  await whenKept(page);
  const pages = await page.evaluate(async () => {
    const urls: string[] = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) urls.push(new URL(url).pathname);
    }
    return urls.filter((path) => !path.startsWith("/assets/")).sort();
  });
  expect(pages, "what the worker keeps besides hashed files").toEqual(["/favicon.svg", "/offline", "/offline.js"]);
  await context.setOffline(true);
  await page.goto(`${site.url}/nodes`);
  await expect(page.getByRole("heading", { name: "No connection" })).toBeVisible();
});

test("signing out erases what was kept", async ({ page, context, watch }) => {
  watch.allow(...NOBODY_ANSWERS);
  // A session of its own: the other tests keep theirs.
  const session = await site.signIn("admin", "correct horse battery");
  await context.clearCookies();
  await context.addCookies([session]);
  await page.goto(`${site.url}/`);
  await whenKept(page);
  await expect.poll(() => kept(page)).toContain("The one node is OK");
  await page.getByRole("button", { name: "Menu of admin" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await whenKept(page);
  expect(await kept(page)).toBeNull();

  await context.setOffline(true);
  await page.goto(`${site.url}/`);
  await expect(page.getByRole("heading", { name: "No connection" })).toBeVisible();
  await expect(page.locator("#offline-known")).toBeHidden();
  await expect(page.getByText("The one node is OK")).toHaveCount(0);
});

test("a newer build is offered, never forced, and not to a page that has it already", async ({ page, context }) => {
  const proxy = await Proxy.before(site.url);
  try {
    await context.addCookies([{ ...site.session!, url: proxy.url }]);
    await page.goto(`${proxy.url}/`);
    await whenKept(page);
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    const prompt = page.getByRole("status").filter({ hasText: "A new version is ready" });
    const look = () => page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration())?.update()));

    // Other bytes, same files: a page of this build.
    proxy.changes.set("/sw.js", (text) => `${text}\n// another`);
    const taken = page.evaluate(
      () => new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true })),
    );
    await look();
    await taken;
    await expect(prompt).toHaveCount(0);

    // Another script among its files: a page of another build.
    proxy.changes.set("/sw.js", (text) => text.replace(/"\/assets\/app[^"]*\.js"/, '"/favicon.svg"').replace("version", "former"));
    await look();
    await expect(prompt).toBeVisible();
    expect(await page.evaluate(() => "notReloaded" in window)).toBe(true);
    await prompt.getByRole("button", { name: "Reload" }).click();
    await page.waitForFunction(() => !("notReloaded" in window));
    await whenAlive(page);
    await expect(page.locator(".headline")).toBeVisible();
  } finally {
    await page.close();
    await proxy.stop();
  }
});
