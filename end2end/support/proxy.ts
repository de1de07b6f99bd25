// A proxy in front of a server, for what a test must change on the way: one file's text. Live connections pass through.

import { createServer, request, type IncomingMessage, type Server as HttpServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";

export class Proxy {
  private readonly server: HttpServer;
  private readonly sockets = new Set<Socket>();
  /** Changes the text of files, by path. */
  readonly changes = new Map<string, (text: string) => string>();
  url = "";

  private constructor(target: URL) {
    this.server = createServer((incoming, outgoing) => {
      const change = this.changes.get(incoming.url ?? "");
      const headers = { ...incoming.headers };
      // What is to be changed must be readable, and must come whole.
      if (change) for (const name of ["accept-encoding", "if-none-match"]) delete headers[name];
      const { method, url: path } = incoming;
      const options = { host: target.hostname, port: target.port, method, path, headers };
      const passed = request(options, (answer: IncomingMessage) => {
        if (!change) {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
          return;
        }
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () => {
          const { "content-length": _length, "transfer-encoding": _encoding, etag: _etag, ...kept } = answer.headers;
          outgoing.writeHead(answer.statusCode ?? 502, kept);
          outgoing.end(change(Buffer.concat(chunks).toString("utf8")));
        });
      });
      passed.on("error", () => outgoing.destroy());
      incoming.pipe(passed);
    });
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.server.on("upgrade", (incoming, socket, head) => {
      const through = connect(Number(target.port), target.hostname, () => {
        const lines = incoming.rawHeaders.reduce((text, word, at) => text + word + (at % 2 === 0 ? ": " : "\r\n"), "");
        through.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines}\r\n`);
        through.write(head);
        through.pipe(socket).pipe(through);
      });
      for (const end of [through, socket]) {
        end.on("error", () => {
          through.destroy();
          socket.destroy();
        });
      }
    });
  }

  static async before(url: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(url));
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${(proxy.server.address() as AddressInfo).port}`;
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
