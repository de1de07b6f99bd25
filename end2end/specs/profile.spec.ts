// How somebody likes their pages: kept in cookies, rendered by the server, the same before and after scripts.

import { expect, givenSite, test, whenAlive } from "../support/site.ts";

const site = givenSite({ agents: [{}] });

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("clock, units and room are chosen by a form", async ({ page }) => {
    await site.whenMeasured();
    await page.goto(`${site.url}/settings/profile`);
    await page.getByLabel("Times in").selectOption("UTC+05:30");
    await page.getByLabel("B/s", { exact: true }).check();
    await page.getByLabel("Comfortable").check();
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page).toHaveURL(`${site.url}/settings/profile`);
    await expect(page.getByLabel("Times in")).toHaveValue("330");
    await expect(page.locator("html")).toHaveAttribute("data-density", "comfortable");

    await page.goto(site.url + site.nodePath);
    await expect(page.getByRole("img", { name: /^Processor of / })).toHaveAttribute("aria-label", /at \d\d:\d\d UTC\+05:30/);
    await expect(page.locator("#chart-network .chart-unit")).toHaveText(/^[KMG]?i?B\/s$/);
    await expect(page.locator(".node-report time")).toHaveAttribute("title", / UTC\+05:30$/);
    await expect(page.locator(".node-report time")).toHaveAttribute("datetime", /Z$/);
  });
});

test("what the server rendered stays when the page comes to life, whatever was chosen", async ({ page, context }) => {
  await context.addCookies(
    Object.entries({ zone: "-210", network: "bytes", density: "comfortable" }).map(([name, value]) => ({ name, value, url: site.url })),
  );
  // A mismatch would be an error on the console, and that fails every test.
  for (const path of ["/", "/nodes", site.nodePath, "/settings/profile", "/settings/about", "/search?q=a"]) {
    await page.goto(site.url + path);
    await whenAlive(page);
  }
  await page.goto(`${site.url}/nodes`);
  await expect(page.getByRole("columnheader", { name: /B\/s/ })).toBeVisible();
});

test.describe("in another zone", () => {
  test.use({ timezoneId: "Asia/Tokyo" });

  test("u changes between UTC and the browser's clock", async ({ page }) => {
    await page.goto(`${site.url}/settings/profile`);
    await whenAlive(page);
    await expect(page.getByLabel("Times in")).toHaveValue("utc");
    await page.keyboard.press("u");
    await expect(page.getByLabel("Times in")).toHaveValue("540");
    await whenAlive(page);
    await page.keyboard.press("u");
    await expect(page.getByLabel("Times in")).toHaveValue("utc");
  });
});

test("what is not offered is refused, and changes nothing", async ({ page }) => {
  const post = (form: Record<string, string>) =>
    page.request.post(`${site.url}/preferences`, { form, maxRedirects: 0, headers: { origin: site.url } });
  for (const form of [{ zone: "7" }, { zone: "utc; x=y" }, { network: "x" }, { theme: "purple" }, { next: "/" }] as Record<string, string>[]) {
    const answer = await post(form);
    expect(answer.status(), JSON.stringify(form)).toBe(422);
    expect(answer.headers()["set-cookie"]).toBeUndefined();
  }
  expect((await post({ density: "compact", next: "//evil.example" })).headers()["location"]).toBe("/");
});

test("about tells what the server is", async ({ page }) => {
  await page.goto(`${site.url}/settings/about`);
  const about = page.getByRole("region", { name: "This server" });
  await expect(about).toContainText(new URL(site.url).host);
  await expect(about).toContainText("1, 1 OK");
});
