// What pages weigh, as a browser is sent them. Limits are of the ux specification; sizes are written to the report.

import { expect, givenSite, test } from "../support/site.ts";
import { KB, PAGE_BYTES_MAX, weigh as weighUrl } from "../support/wire.ts";

const site = givenSite({ agents: [{}] });

const weigh = (path: string) => weighUrl(site.url + path, site.session);

async function assets(): Promise<{ css: string; js: string; wasm: string }> {
  const html = await (await fetch(`${site.url}/login`)).text();
  const named = (extension: string) => {
    const [path] = html.match(new RegExp(`/assets/[\\w.-]+\\.${extension}`)) ?? [];
    if (!path) throw new Error(`the page names no ${extension}`);
    return path;
  };
  return { css: named("css"), js: named("js"), wasm: named("wasm") };
}

function report(what: string, bytes: number): void {
  test.info().annotations.push({ type: "measured", description: `${what}: ${(bytes / KB).toFixed(1)} KB` });
}

const PAGES: [string, () => string, number][] = [
  ["overview", () => "/", PAGE_BYTES_MAX],
  ["nodes", () => "/nodes", PAGE_BYTES_MAX],
  ["clusters", () => "/clusters", PAGE_BYTES_MAX],
  ["cluster with its charts", () => "/clusters/local", PAGE_BYTES_MAX],
  ["events", () => "/events", PAGE_BYTES_MAX],
  ["node with all its charts", () => site.nodePath, PAGE_BYTES_MAX],
  ["add a node", () => "/nodes/add", PAGE_BYTES_MAX],
  ["sign-in", () => "/login", 12 * KB],
];

for (const [name, path, limit] of PAGES) {
  test(`page: ${name}`, async () => {
    const answer = await weigh(path());
    expect([answer.status, answer.encoding]).toEqual([200, "br"]);
    report(name, answer.bytes);
    expect(answer.bytes).toBeGreaterThan(500);
    expect(answer.bytes).toBeLessThanOrEqual(limit);
  });
}

test("style sheet", async () => {
  const answer = await weigh((await assets()).css);
  expect(answer.encoding).toBe("br");
  expect(answer.cache).toContain("immutable");
  report("style sheet", answer.bytes);
  expect(answer.bytes).toBeLessThanOrEqual(20 * KB);
});

test("script that loads the wasm", async () => {
  const answer = await weigh((await assets()).js);
  expect(answer.encoding).toBe("br");
  expect(answer.cache).toContain("immutable");
  report("script", answer.bytes);
  expect(answer.bytes).toBeLessThanOrEqual(20 * KB);
});

test("wasm", () => {
  test.skip(true, "these tests run the development build; `cargo xtask build` checks the size of the release");
});
