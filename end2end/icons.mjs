// Draws public/icons/*.png from public/favicon.svg with Chromium. Run it after the drawing changes, from this folder:
// `node icons.mjs`. The pictures are kept in the repository: nothing else here needs a rasteriser.

import { readFile } from "node:fs/promises";
import { chromium } from "playwright";

const ICONS = new URL("../public/icons/", import.meta.url);

/** Side in pixels, and the share of it that the drawing takes; masks of phones may cut off all but the inner 80 %. */
const PICTURES = {
  "app-192": { side: 192, share: 1 },
  "app-512": { side: 512, share: 1 },
  "maskable-192": { side: 192, share: 0.72 },
  "maskable-512": { side: 512, share: 0.72 },
  "apple-touch-icon": { side: 180, share: 0.86 },
};

const svg = await readFile(new URL("../public/favicon.svg", import.meta.url), "utf8");
const plate = /class="plate"[^>]*fill="(#\w+)"/.exec(svg)?.[1];
const browser = await chromium.launch({ executablePath: process.env.OPSCENTER_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const [name, { side, share }] of Object.entries(PICTURES)) {
  const page = await browser.newPage({ viewport: { width: side, height: side }, colorScheme: "light" });
  const drawn = Math.round(side * share);
  const background = share < 1 ? plate : "transparent";
  await page.setContent(`<body style="margin:0;height:100vh;display:grid;place-items:center;background:${background}">
    <div style="width:${drawn}px;height:${drawn}px">${svg}</div></body>`);
  await page.screenshot({ path: new URL(`${name}.png`, ICONS).pathname, omitBackground: true });
  await page.close();
}
await browser.close();
