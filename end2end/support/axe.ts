// Accessibility: a page has no violation of WCAG 2.2 A and AA nor of axe's best practices.

import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Call it once the page shows what the test waits for; what is not rendered is not checked. */
export async function expectAccessible(page: Page): Promise<void> {
  // Our pages have no frames, so axe need not open a further page to gather what it found in them.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().withTags(TAGS).analyze();
  const found = violations.map(({ id, help, nodes }) => ({
    rule: id,
    help,
    where: nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary ?? ""}`),
  }));
  expect(found, `accessibility of ${page.url()}`).toEqual([]);
}
