// What pages weigh, as a browser is sent them. Limits are of the ux specification; sizes are written to the report.

import { request } from "node:http";

import { expect, givenSite, test } from "../support/site.ts";

const site = givenSite({ agents: [{}] });

const KB = 1000;

interface Answer {
  bytes: number;
  encoding: string;
  cache: string;
  status: number;
}

/** Bytes of the body on the wire; `fetch` would unpack them. */
function weigh(path: string): Promise<Answer> {
  const headers = { "accept-encoding": "br", cookie: site.session ? `${site.session.name}=${site.session.value}` : "" };
  return new Promise((resolve, reject) => {
    request(site.url + path, { headers }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          bytes,
          encoding: response.headers["content-encoding"] ?? "",
          cache: response.headers["cache-control"] ?? "",
          status: response.statusCode ?? 0,
        }),
      );
    })
      .on("error", reject)
      .end();
  });
}

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

// Typical pages: 25 KB, a third more at most.
const PAGES: [string, () => string, number][] = [
  ["overview", () => "/", 25 * 1.33 * KB],
  ["nodes", () => "/nodes", 25 * 1.33 * KB],
  ["clusters", () => "/clusters", 25 * 1.33 * KB],
  ["cluster with its charts", () => "/clusters/local", 25 * 1.33 * KB],
  ["events", () => "/events", 25 * 1.33 * KB],
  ["node with all its charts", () => site.nodePath, 25 * 1.33 * KB],
  ["add a node", () => "/nodes/add", 25 * 1.33 * KB],
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
