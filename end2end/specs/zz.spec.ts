import { expect, givenSite, test, whenAlive } from "../support/site.ts";
const site = givenSite({ agents: [
  { cluster: "app-eu", config: 'interval = "1s"\nname = "alpha"\n[tags]\ntier = "edge"\n' },
  { cluster: "app-eu", config: 'interval = "1s"\nname = "app-eu-with-a-long-name-07"\n' },
  { cluster: "db-eu", config: 'interval = "1s"\nname = "beta"\n' } ] });
test("shots", async ({ page }) => {
  test.setTimeout(200000);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto(`${site.url}/nodes?q=${encodeURIComponent("status:ok cpu>=0 -role:x")}`);
  await whenAlive(page);
  await page.waitForTimeout(65000);
  await page.screenshot({ path: "/tmp/shot1.png" });
  await page.locator("summary", { hasText: "Columns" }).click();
  await page.screenshot({ path: "/tmp/shot2.png" });
  await page.goto(`${site.url}/nodes?q=${encodeURIComponent("web clster:app")}&view=stats`);
  await whenAlive(page);
  await page.locator("summary", { hasText: "Views" }).click();
  await page.screenshot({ path: "/tmp/shot3.png" });
  await page.setViewportSize({ width: 360, height: 800 });
  await page.goto(`${site.url}/nodes?q=status:ok`);
  await whenAlive(page);
  await page.screenshot({ path: "/tmp/shot4.png", fullPage: true });
  await page.goto(`${site.url}/nodes?view=stats`);
  await page.locator("summary", { hasText: "Columns" }).click();
  await page.screenshot({ path: "/tmp/shot5.png", fullPage: true });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});
