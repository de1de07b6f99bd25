// The way in: the first administrator, signing in and out, and what is refused on the way.

import type { Page } from "@playwright/test";

import { ADMIN, FAILED_REQUEST, expect, givenSite, test } from "../support/site.ts";

async function fill(page: Page, user: string, password: string): Promise<void> {
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
}

/** Presses the form's button; the answer to the post. */
async function submit(page: Page, button: string) {
  const posted = page.waitForResponse((response) => response.request().method() === "POST");
  await page.getByRole("button", { name: button, exact: true }).click();
  return posted;
}

test.describe("the first administrator", () => {
  const site = givenSite({ signedIn: false });

  function setupUrl(): string {
    if (!site.server.setupUrl) throw new Error("the server printed no set-up link");
    return site.server.setupUrl;
  }

  test("before there is one, every page leads to the set-up, which asks for the code", async ({ page }) => {
    await page.goto(`${site.url}/nodes`);
    await expect(page).toHaveURL(`${site.url}/setup`);
    await expect(page.getByLabel("Set-up code")).toBeVisible();
    await page.goto(`${site.url}/login`);
    await expect(page.getByText("There is no administrator yet.")).toBeVisible();
  });

  test("a wrong code is refused with words and the way out", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    await page.goto(`${site.url}/setup?code=aaaabbbbccccdddd`);
    await fill(page, "somebody", ADMIN.password);
    const answer = await submit(page, "Create and sign in");
    expect(answer.status()).toBe(403);
    const code = page.getByLabel("Set-up code");
    await expect(code).toHaveAttribute("aria-invalid", "true");
    await expect(code).toHaveAccessibleDescription(/not valid.*restart the server/);
    await expect(page.getByRole("alert")).toBeVisible();
    await expect(page.getByLabel("User")).toHaveValue("somebody");
    await expect(page.getByLabel("Password")).toHaveValue("");
  });

  test("a weak password is a problem of its field, and the rest is kept", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    await page.goto(setupUrl());
    await expect(page.getByLabel("Set-up code")).toHaveCount(0);
    await fill(page, "somebody", "aaaaaaaaaaaa");
    const answer = await submit(page, "Create and sign in");
    expect(answer.status()).toBe(422);
    const password = page.getByLabel("Password");
    await expect(password).toHaveAttribute("aria-invalid", "true");
    await expect(password).toHaveAccessibleDescription(/fewer than 4 different characters/);
    await expect(password).toHaveValue("");
    await expect(page.getByLabel("User")).toHaveValue("somebody");

    // What the browser would not send is refused all the same.
    await password.fill("short");
    await page.locator("form").evaluate((form: HTMLFormElement) => (form.noValidate = true));
    expect((await submit(page, "Create and sign in")).status()).toBe(422);
    await expect(page.getByLabel("Password")).toHaveAccessibleDescription(/it has 5 characters; at least 12 are needed/);
  });

  test("the link makes the administrator, signs in, and is used up", async ({ page, context }) => {
    const link = setupUrl();
    await page.goto(link);
    await expect(page.getByRole("heading", { name: "Create the administrator" })).toBeVisible();
    await expect(page.getByLabel("User")).toHaveValue("admin");
    await fill(page, ADMIN.user, ADMIN.password);
    const answer = await submit(page, "Create and sign in");
    expect(answer.status()).toBe(303);
    await expect(page).toHaveURL(`${site.url}/`);
    await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
    await expect(page.getByRole("button", { name: "Menu of admin" })).toBeVisible();

    // Left first: a page that is open connects by itself, and would be refused without its session.
    await page.goto("about:blank");
    await context.clearCookies();
    await page.goto(link);
    await expect(page).toHaveURL(`${site.url}/login`);
    await expect(page.getByText("There is no administrator yet.")).toHaveCount(0);
  });
});

test.describe("signing in", () => {
  const site = givenSite();
  test.beforeEach(({ context }) => context.clearCookies());

  test("the page is a name, a password and a button", async ({ page }) => {
    await page.goto(`${site.url}/login`);
    await expect(page.getByRole("main")).toMatchAriaSnapshot(`
      - main:
        - text: Operations Center
        - heading "Sign in" [level=1]
        - paragraph: /to 127\\.0\\.0\\.1:\\d+/
        - text: User
        - textbox "User"
        - text: Password
        - textbox "Password"
        - button "Sign in"
    `);
  });

  test("a wrong password is 401 with words; name and way on are kept", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    await page.goto(`${site.url}/nodes?sort=-cpu`);
    await expect(page).toHaveURL(/\/login\?next=/);
    await fill(page, ADMIN.user, "not the password");
    const refused = await submit(page, "Sign in");
    expect(refused.status()).toBe(401);
    await expect(page.getByRole("alert")).toHaveText("User or password is wrong.");
    await expect(page.getByLabel("User")).toHaveValue(ADMIN.user);
    await expect(page.getByLabel("Password")).toHaveValue("");

    await page.getByLabel("Password").fill(ADMIN.password);
    expect((await submit(page, "Sign in")).status()).toBe(303);
    await expect(page).toHaveURL(`${site.url}/nodes?sort=-cpu`);
  });

  test("a name that does not exist reads the same as a wrong password", async ({ page, watch }) => {
    watch.allow(FAILED_REQUEST);
    await page.goto(`${site.url}/login`);
    await fill(page, "nobody", ADMIN.password);
    expect((await submit(page, "Sign in")).status()).toBe(401);
    await expect(page.getByRole("alert")).toHaveText("User or password is wrong.");
  });

  test("leads to its own pages only", async ({ page, request }) => {
    const ways: [string, string][] = [
      ["/nodes?q=a%20b", "/nodes?q=a%20b"],
      ["//evil.example/", "/"],
      ["https://evil.example/", "/"],
      ["/\\evil.example", "/"],
      ["javascript:alert(1)", "/"],
    ];
    for (const [next, leadsTo] of ways) {
      const answer = await request.post(`${site.url}/login`, {
        headers: { origin: site.url },
        form: { ...ADMIN, next },
        maxRedirects: 0,
      });
      expect([answer.status(), answer.headers()["location"]], next).toEqual([303, leadsTo]);
    }
    await page.goto(`${site.url}/login?next=${encodeURIComponent("//evil.example/")}`);
    await fill(page, ADMIN.user, ADMIN.password);
    await submit(page, "Sign in");
    await expect(page).toHaveURL(`${site.url}/`);
    await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
  });

  test("a form of another site is refused", async ({ request }) => {
    const foreign: Record<string, string>[] = [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }];
    for (const headers of foreign) {
      const answer = await request.post(`${site.url}/login`, { headers, form: ADMIN, maxRedirects: 0 });
      expect(answer.status()).toBe(403);
    }
  });

  test("signing out ends the session, also for whoever kept its cookie", async ({ page, context }) => {
    await page.goto(`${site.url}/login`);
    await fill(page, ADMIN.user, ADMIN.password);
    await submit(page, "Sign in");
    await expect(page).toHaveURL(`${site.url}/`);
    const cookies = await context.cookies();
    expect(cookies.filter((cookie) => cookie.httpOnly && cookie.sameSite === "Lax")).toHaveLength(1);

    await page.getByRole("button", { name: "Menu of admin" }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page).toHaveURL(`${site.url}/login`);
    await page.goto(`${site.url}/nodes`);
    await expect(page).toHaveURL(/\/login\?next=/);

    await context.addCookies(cookies);
    await page.goto(`${site.url}/nodes`);
    await expect(page).toHaveURL(/\/login\?next=/);
  });
});

test.describe("guessing", () => {
  const site = givenSite();

  test("many wrong passwords are answered 429, with when to come back", async ({ page, context, watch }) => {
    watch.allow(FAILED_REQUEST);
    await context.clearCookies();
    const guess = async () => {
      const body = new URLSearchParams({ user: ADMIN.user, password: "a wrong guess", next: "/" });
      const answer = await fetch(`${site.url}/login`, { method: "POST", headers: { origin: site.url }, body });
      return answer.status;
    };
    const statuses: number[] = [];
    while (statuses.length < 40 && statuses.at(-1) !== 429) statuses.push(await guess());
    expect(statuses.slice(0, 5)).toEqual([401, 401, 401, 401, 401]);
    expect(statuses.at(-1)).toBe(429);

    // Whoever guesses learns nothing by then sending the right one.
    await page.goto(`${site.url}/login`);
    await fill(page, ADMIN.user, ADMIN.password);
    const answer = await submit(page, "Sign in");
    expect(answer.status()).toBe(429);
    expect(Number(answer.headers()["retry-after"])).toBeGreaterThan(0);
    await expect(page.getByRole("alert")).toContainText(/too many/i);
    await expect(page.getByRole("alert")).toContainText(/\d+ s/);
    await expect(page.getByLabel("User")).toHaveValue(ADMIN.user);
  });
});
