// Lighthouse over the console of a released server, as a phone on a slow line sees it:
//
//     cargo xtask build && node end2end/lighthouse.mjs [FOLDER for whole reports]
//
// No part of the tests: it is 185 MB, so it is installed on demand into target/lighthouse, and its scores are times.
//
// One JSON line a page: {"page", "performance", "accessibility", "best-practices", "seo", "lcp_ms", "cls", "tbt_ms",
// "failed"}. Pages are measured without their live line, which would never be quiet: its address is blocked, and that it
// could not be opened is not counted as an error of the page. Pages say `noindex`, so that one audit is left out.

import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const VERSION = "12.8.2";
const root = fileURLToPath(new URL("..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const modules = join(target, "lighthouse");
const program = join(target, "release", "operations-center");
const [details] = process.argv.slice(2);

if (!existsSync(program)) throw new Error(`${program} is not built: cargo xtask build`);
if (!existsSync(join(modules, "node_modules/lighthouse"))) {
  await mkdir(modules, { recursive: true });
  const words = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--no-save", `lighthouse@${VERSION}`];
  execFileSync("npm", words, { cwd: modules, stdio: ["ignore", "inherit", "inherit"] });
}
const installed = createRequire(join(modules, "index.js"));
const load = async (name) => import(pathToFileURL(installed.resolve(name)).href);
const { default: lighthouse } = await load("lighthouse");
const { launch } = await load("chrome-launcher");

const demo = spawn(program, ["demo"], { stdio: ["ignore", "pipe", "inherit"] });
let account;
for await (const line of createInterface({ input: demo.stdout })) {
  if (line.startsWith("{")) account = JSON.parse(line);
  if (line.startsWith("ready ")) break;
}
if (!account) throw new Error("the demo ended before it was ready");
const { url, user, password } = account;

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
    if (details) await writeFile(join(details, `${page}.json`), result.report);
  }
} finally {
  await browser.kill();
  demo.kill("SIGTERM");
}
