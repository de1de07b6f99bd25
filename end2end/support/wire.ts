// What an answer weighs, as a browser is sent it.

import { request } from "node:http";

import type { Cookie } from "./site.ts";

/** A kilobyte, as the ux specification counts. */
export const KB = 1000;

/** Typical pages: 25 KB, a third more at most. */
export const PAGE_BYTES_MAX = 25 * 1.33 * KB;

export interface Answer {
  bytes: number;
  encoding: string;
  cache: string;
  status: number;
}

/** Bytes of the body on the wire; `fetch` would unpack them. */
export function weigh(url: string, session: Cookie | undefined): Promise<Answer> {
  const headers = { "accept-encoding": "br", cookie: session ? `${session.name}=${session.value}` : "" };
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
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
