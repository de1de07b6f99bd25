// Lighthouse over the console's pages as a phone on a slow line sees them: `cargo xtask bench lighthouse`, which installs
// it into the target folder and says where it is, where the server answers, and who may sign in.
//
// One JSON line a page: {"page", "performance", "accessibility", "best-practices", "seo", "lcp_ms", "cls", "tbt_ms",
// "failed"}. The page is measured without its live line, which would never be quiet: its address is blocked, and that it
// could not be opened is not counted as an error of the page. Pages say `noindex`, so that one audit is left out.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { LIGHTHOUSE_MODULES: modules, OPSCENTER_URL: url, OPSCENTER_USER: user, OPSCENTER_PASSWORD: password } = process.env;
if (!modules || !url || !user || !password) throw new Error("start it with `cargo xtask bench lighthouse`");

const installed = createRequire(join(modules, "package.json"));
const load = async (name) => import(pathToFileURL(installed.resolve(name)).href);
const { default: lighthouse } = await load("lighthouse");
const { launch } = await load("chrome-launcher");

const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];

const answer = await fetch(`${url}/login`, {
  method: "POST",
  redirect: "manual",
  headers: { origin: url },
  body: new URLSearchParams({ user, password, next: "/" }),
});
const cookie = (answer.headers.get("set-cookie") ?? "").split(";")[0];
if (answer.status !== 303 || !cookie) throw new Error(`signing in was answered ${answer.status}`);

const list = await (await fetch(`${url}/nodes?per=25&sort=name`, { headers: { cookie } })).text();
const [node] = list.match(/\/nodes\/n[a-z0-9]{10,}/) ?? [];
if (!node) throw new Error("the list of nodes names none");

const browser = await launch({
  chromePath: process.env.OPSCENTER_CHROMIUM ?? "/usr/bin/chromium",
  chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  logLevel: "silent",
});
try {
  for (const [page, path, isSignedIn] of [
    ["sign-in", "/login", false],
    ["overview", "/", true],
    ["cluster", "/clusters/app", true],
    ["node", node, true],
    ["topology", "/topology", true],
  ]) {
    const result = await lighthouse(url + path, {
      port: browser.port,
      output: "json",
      logLevel: "silent",
      onlyCategories: CATEGORIES,
      skipAudits: ["is-crawlable", "errors-in-console"],
      extraHeaders: isSignedIn ? { cookie } : {},
      blockedUrlPatterns: ["*/fn/live*"],
    });
    if (!result || result.lhr.runtimeError) throw new Error(`${page}: ${result?.lhr.runtimeError?.message}`);
    const { audits, categories } = result.lhr;
    const failed = CATEGORIES.flatMap((id) => categories[id].auditRefs)
      .filter(({ id, weight }) => weight > 0 && (audits[id].score ?? 1) < 0.9)
      .map(({ id }) => id);
    const line = { page };
    for (const id of CATEGORIES) line[id] = Math.round(categories[id].score * 100);
    line.lcp_ms = Math.round(audits["largest-contentful-paint"].numericValue);
    line.cls = Number(audits["cumulative-layout-shift"].numericValue.toFixed(4));
    line.tbt_ms = Math.round(audits["total-blocking-time"].numericValue);
    line.failed = [...new Set(failed)];
    console.log(JSON.stringify(line));
    if (process.env.LIGHTHOUSE_DETAILS) {
      const { writeFile } = await import("node:fs/promises");
      await writeFile(join(process.env.LIGHTHOUSE_DETAILS, `${page}.json`), result.report);
    }
  }
} finally {
  await browser.kill();
}
