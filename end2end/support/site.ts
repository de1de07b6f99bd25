// What a spec file stands on: one server of its own with an administrator, agents as wanted, and a signed-in browser.
//
// Every test of every file also fails on what a reader would not see but must not happen: a violation of the content
// security policy, a dialog, an exception or a panic in the page, an error on its console. A test that provokes such
// things says so with `watch.allow`.

import { test as base, type ConsoleMessage, type Page } from "@playwright/test";

import { Demo, Server, type Agent, type AgentOptions } from "./server.ts";

export { expect } from "@playwright/test";

export const ADMIN = { user: "admin", password: "correct horse battery" };

/** Where a page without scripts cannot tell of violations, its console still does. */
const TELL_VIOLATIONS = () => {
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`securitypolicyviolation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
  });
};

/** Collects what must not happen while a page is open. */
export class Watch {
  private readonly found: string[] = [];
  private readonly allowed: RegExp[] = [];

  /** What is like this belongs to the test. */
  allow(...patterns: RegExp[]): void {
    this.allowed.push(...patterns);
  }

  attach(page: Page): void {
    page.on("console", (message: ConsoleMessage) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.found.push(`${message.type()} on ${page.url()}: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => this.found.push(`exception on ${page.url()}: ${error.message}`));
    page.on("dialog", (dialog) => {
      this.found.push(`dialog on ${page.url()}: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  get problems(): string[] {
    return this.found.filter((problem) => !this.allowed.some((pattern) => pattern.test(problem)));
  }
}

export const test = base.extend<{ watch: Watch }>({
  watch: [
    async ({ context }, use) => {
      const watch = new Watch();
      context.on("page", (page) => watch.attach(page));
      await context.addInitScript(TELL_VIOLATIONS);
      await use(watch);
      test.expect(watch.problems, "what must not happen in a page").toEqual([]);
    },
    { auto: true },
  ],
});

/** An error that the browser reports of each answer with 4xx or 5xx, and of each that never comes. */
export const FAILED_REQUEST = /Failed to load resource/;

export interface Cookie {
  name: string;
  value: string;
  url: string;
}

/** A session's cookie, by the form that people fill in. */
async function signIn(url: string, user: string, password: string): Promise<Cookie> {
  const answer = await fetch(`${url}/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: url },
    body: new URLSearchParams({ user, password, next: "/" }),
  });
  const [pair] = (answer.headers.get("set-cookie") ?? "").split(";");
  const [name, value] = (pair ?? "").split("=");
  if (answer.status !== 303 || !name || !value) throw new Error(`signing in was answered ${answer.status}`);
  return { name, value, url };
}

/** The server of a spec file; what it holds is there once the file's tests run. */
export class Site {
  private running: Server | undefined;
  /** In the order of the options. */
  readonly agents: Agent[] = [];
  session: Cookie | undefined;

  get server(): Server {
    if (!this.running) throw new Error("the server runs only while tests run");
    return this.running;
  }

  get url(): string {
    return this.server.url;
  }

  /** The first agent, and the path of its node's page. */
  get agent(): Agent {
    const first = this.agents[0];
    if (!first) throw new Error("this file asked for no agent");
    return first;
  }

  get nodePath(): string {
    return `/nodes/${this.agent.nodeId}`;
  }

  async start(options: SiteOptions): Promise<void> {
    this.running = await Server.start();
    if (options.signedIn ?? true) {
      await this.addUser(ADMIN.user, "admin", ADMIN.password);
      this.session = await this.signIn(ADMIN.user, ADMIN.password);
    }
    for (const agent of options.agents ?? []) this.agents.push(await this.running.agent(agent));
  }

  async stop(): Promise<void> {
    await this.running?.stop();
  }

  async addUser(name: string, role: "viewer" | "operator" | "admin", password: string): Promise<void> {
    await this.server.cli(["user", "create", name, "--role", role, "--password-stdin"], `${password}\n`);
  }

  /** The session's cookie. */
  async signIn(user: string, password: string): Promise<Cookie> {
    return signIn(this.url, user, password);
  }

  /** Until charts have something to draw: rates need two samples. */
  async whenMeasured(nodeId: string = this.agent.nodeId): Promise<void> {
    const path = `nodes/${nodeId}/series?metric=cpu_used_ratio&level=raw`;
    const points = async () => (await this.api<{ points: unknown[] }>(path).catch(() => ({ points: [] }))).points.length;
    await test.expect.poll(points, { message: "samples of the processor", timeout: 30_000 }).toBeGreaterThan(2);
  }

  private token: Promise<string> | undefined;

  /** `GET /api/v1/…` as a program that may look. */
  async api<T>(path: string): Promise<T> {
    this.token ??= this.server.cli(["api-token", "create", "--name", "tests", "--role", "viewer"]);
    const answer = await fetch(`${this.url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${await this.token}` },
    });
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}

export interface SiteOptions {
  agents?: AgentOptions[];
  /** Is there an administrator, and is each test's browser signed in as them? Unless said otherwise. */
  signedIn?: boolean;
}

/** Starts a site before the file's (or group's) tests and ends it after them. */
export function givenSite(options: SiteOptions = {}): Site {
  const site = new Site();
  test.beforeAll(() => site.start(options));
  test.afterAll(() => site.stop());
  test.beforeEach(async ({ context }) => {
    if (site.session) await context.addCookies([site.session]);
  });
  return site;
}

/** A demo with so many simulated hosts, and each test's browser signed in. */
export class Estate {
  private running: { demo: Demo; session: Cookie } | undefined;

  get url(): string {
    if (!this.running) throw new Error("the demo runs only while tests run");
    return this.running.demo.url;
  }

  get session(): Cookie | undefined {
    return this.running?.session;
  }

  async start(agents: number): Promise<void> {
    const demo = await Demo.start(agents);
    try {
      const { user, password } = demo.account;
      this.running = { demo, session: await signIn(demo.url, user, password) };
    } catch (error) {
      await demo.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.running?.demo.stop();
  }
}

/** Starts a demo before the file's (or group's) tests, once all of its hosts have reported, and ends it after them. */
export function givenEstate(agents: number): Estate {
  const estate = new Estate();
  test.beforeAll(async () => {
    // Enrolling a thousand hosts takes longer than a test may.
    test.setTimeout(300_000);
    await estate.start(agents);
  });
  test.afterAll(() => estate.stop());
  test.beforeEach(async ({ context }) => {
    if (estate.session) await context.addCookies([estate.session]);
  });
  return estate;
}

/** The page has come to life: scripts run and controls that need them can be used. */
export async function whenAlive(page: Page): Promise<void> {
  await test.expect(page.locator("html")).toHaveAttribute("data-hydrated", "", { timeout: 30_000 });
}
