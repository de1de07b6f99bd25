// The simulated estate of `operations-center demo`, as anybody who tries it out sees it first.

import { expect, givenEstate, test } from "../support/site.ts";

test.describe("a demo with six hosts", () => {
  const estate = givenEstate(6);

  test("lists every host in its cluster", async ({ page }) => {
    await page.goto(`${estate.url}/nodes`);
    for (const cluster of ["edge", "app", "db", "mq", "cache", "batch"]) {
      const row = page.getByRole("row").filter({ hasText: `${cluster}-01` }).first();
      await expect(row).toContainText(cluster);
    }
  });
});
