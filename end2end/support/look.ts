// What people see of a page: nothing wider than the window, and where the focus goes.

import { expect, type Page } from "@playwright/test";

export const HEIGHT = 740;

/** As tall as the page, so that no part of it lies beneath bars that stay while it scrolls. */
export async function unroll(page: Page, width: number): Promise<void> {
  await page.setViewportSize({ width, height: HEIGHT });
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(height, HEIGHT) });
}

/** Elements wider than the window, unless a part of the page that scrolls by itself holds them. */
export async function expectNoOverflow(page: Page, width: number): Promise<void> {
  await page.setViewportSize({ width, height: HEIGHT });
  const found = await page.evaluate(() => {
    const root = document.documentElement;
    const beyond = [...document.body.querySelectorAll("*")]
      .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1)
      .slice(0, 5)
      .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""}`);
    return { scrollWidth: root.scrollWidth, width: window.innerWidth, beyond };
  });
  expect(found.scrollWidth, `${page.url()} at ${width} px: ${found.beyond.join(", ")}`).toBeLessThanOrEqual(found.width);
}

/** Presses Tab until the focus leaves the page; the names of what it was on, where each was drawn and not covered. */
export async function walk(page: Page, stopsMax = 100): Promise<string[]> {
  const reached: string[] = [];
  for (let step = 0; step < stopsMax; step += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      // The middle of what is to be seen of it: tables that scroll may be wider than the window.
      const x = (Math.max(box.left, 0) + Math.min(box.right, window.innerWidth)) / 2;
      const y = (Math.max(box.top, 0) + Math.min(box.bottom, window.innerHeight)) / 2;
      const hit = document.elementFromPoint(x, y);
      const name = element.getAttribute("aria-label") ?? element.textContent?.trim();
      return {
        name: (element.closest("main") ? "main: " : "") + (name || element.id),
        isDrawn: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        isSeen: hit !== null && element.contains(hit),
        box: JSON.stringify(box),
        hit: hit && `${hit.tagName}.${hit.getAttribute("class")}`,
      };
    });
    if (!focus) return reached;
    expect(focus.isDrawn, `focus is drawn on ${focus.name}`).toBe(true);
    expect(focus.isSeen, `focus on ${focus.name} at ${focus.box} is covered by ${focus.hit}`).toBe(true);
    reached.push(focus.name);
  }
  throw new Error(`the focus never left: ${reached.slice(-5).join(", ")}`);
}
