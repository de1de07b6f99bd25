// A real server with real agents, in a scratch folder of its own.
//
// The programs are those of OPSCENTER_BIN_DIR (set by `cargo xtask test`). Everything started here
// is ended by its process id, and the scratch folder goes with it. Nothing here knows pages.

import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A program that ends by itself; its stdout. What it needs to read comes through stdin, not through its arguments. */
async function runToEnd(path: string, args: string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<string> {
  const running = run(path, args, { env: { ...process.env, ...env }, timeout: START_MS_MAX });
  // One that ends without reading is no problem; how it ended is told below.
  running.child.stdin?.on("error", () => undefined);
  running.child.stdin?.end(input);
  return (await running).stdout.trimEnd();
}

const START_MS_MAX = 30_000;
/** A thousand hosts enroll before a demo is ready. */
const DEMO_START_MS_MAX = 270_000;
const STOP_MS_MAX = 10_000;
/** Kept for the error message of a program that ends early. */
const LOG_LINES_MAX = 200;

function program(name: "operations-center" | "oc-agent"): string {
  const folder = process.env.OPSCENTER_BIN_DIR;
  if (!folder) {
    throw new Error("OPSCENTER_BIN_DIR is not set: start these tests with `cargo xtask test --area browser`");
  }
  const path = join(folder, name);
  if (!existsSync(path)) {
    throw new Error(`${path} is not built`);
  }
  return path;
}

/** A program that keeps running, its stdout line by line and the end of its log. */
class Service {
  private readonly child: ChildProcess;
  private readonly log: string[] = [];
  private readonly ended: Promise<string>;
  private readonly listeners = new Set<(line: string) => void>();
  private readonly lines: string[] = [];

  constructor(private readonly name: string, path: string, args: string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(path, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(String(error)));
      child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.lines.push(line);
      for (const listener of this.listeners) listener(line);
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      this.log.push(line);
      if (this.log.length > LOG_LINES_MAX) this.log.shift();
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.child.pid;
  }

  /** The rest of the first stdout line that starts with `prefix`, also of one that came before. */
  async line(prefix: string, patienceMs = START_MS_MAX): Promise<string> {
    let listener: ((line: string) => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    const found = new Promise<string>((resolve) => {
      listener = (line) => {
        if (line.startsWith(prefix)) resolve(line.slice(prefix.length));
      };
      this.lines.forEach(listener);
      this.listeners.add(listener);
    });
    const lost = this.ended.then((how) => {
      throw new Error(`${this.name} ended (${how}) before it wrote \`${prefix}…\`\n${this.log.join("\n")}`);
    });
    lost.catch(() => undefined);
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.name} wrote no \`${prefix}…\` within ${patienceMs} ms\n${this.log.join("\n")}`)),
        patienceMs,
      );
    });
    try {
      return await Promise.race([found, lost, late]);
    } finally {
      clearTimeout(timer);
      if (listener) this.listeners.delete(listener);
    }
  }

  /** A line already written, if there is one. */
  written(prefix: string): string | undefined {
    return this.lines.find((line) => line.startsWith(prefix))?.slice(prefix.length);
  }

  get isRunning(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Sends the signal and waits for the end; a program that ignores it is killed, and that is an error. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (!this.isRunning) return;
    this.child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), STOP_MS_MAX);
    });
    const outcome = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (outcome === "late") {
      this.child.kill("SIGKILL");
      await this.ended;
      throw new Error(`${this.name} did not end within ${STOP_MS_MAX} ms of ${signal}\n${this.log.join("\n")}`);
    }
  }
}

export interface AgentOptions {
  system?: string;
  cluster?: string;
  /** Content of agent.toml; the server's address is added. */
  config?: string;
  /** Content of policy.toml; empty means observe only. */
  policy?: string;
  /** The host's name as the agent sees it, with whatever bytes; see [`canNameHosts`]. */
  hostname?: string;
}

/** Sets a host name that only the program sees, then becomes the program. */
const AS_HOST = ["--uts", "sh", "-c", 'printf "%s\\n" "$1" > /proc/sys/kernel/hostname && shift && exec "$@"', "sh"];

/** May host names be set here, in a namespace of its own? Needs root. */
export function canNameHosts(): boolean {
  return spawnSync("unshare", [...AS_HOST, "probe", "true"]).status === 0;
}

/** An enrolled `oc-agent`, with its own state. */
export class Agent {
  private service: Service | undefined;

  private constructor(
    readonly nodeId: string,
    private readonly paths: string[],
    private readonly hostname: string | undefined,
  ) {}

  /** Program and arguments, in a namespace where the host has the name that was asked for. */
  private static command(args: string[], hostname: string | undefined): [string, string[]] {
    const path = program("oc-agent");
    return hostname === undefined ? [path, args] : ["unshare", [...AS_HOST, hostname, path, ...args]];
  }

  static async enroll(server: Server, folder: string, options: AgentOptions = {}): Promise<Agent> {
    const token = await server.cli([
      "enroll-token", "create",
      "--system", options.system ?? "default",
      "--cluster", options.cluster ?? "local",
    ]);
    return Agent.enrollBy(["enroll", "--server", server.url, "--token", token], server, folder, options);
  }

  /** Enrolls with the words that follow `oc-agent` in a command, as a page gives it. */
  static async enrollBy(words: string[], server: Server, folder: string, options: AgentOptions = {}): Promise<Agent> {
    const config = `${folder}.agent.toml`;
    const policy = `${folder}.policy.toml`;
    // What else runs on this machine is no part of a test.
    const own = "[collectors]\nservers = false\nconnections = false\nprobes = false\n";
    await writeFile(config, `server = "${server.url}"\n${options.config ?? 'interval = "1s"\n'}${own}`);
    await writeFile(policy, options.policy ?? "");
    const paths = ["--state", folder, "--config", config, "--policy", policy];
    const nodeId = await runToEnd(...Agent.command([...words, ...paths], options.hostname));
    return new Agent(nodeId, paths, options.hostname);
  }

  /** Returns after the first acknowledged report. */
  async start(): Promise<void> {
    this.service = new Service("oc-agent", ...Agent.command(["run", ...this.paths], this.hostname));
    await this.service.line("ready ");
  }

  async stop(): Promise<void> {
    await this.service?.end("SIGTERM");
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    await this.service?.end("SIGKILL");
  }
}

export class Server {
  private service: Service | undefined;
  private readonly agents: Agent[] = [];
  private address = "127.0.0.1:0";
  /** Where it answers, without a slash at the end. */
  url = "";
  /** The page where the first administrator is made, while there is none. */
  setupUrl: string | undefined;

  private constructor(private readonly scratch: string) {}

  /** A server with an empty data folder on a free port. */
  static async start(): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), "operations-center-")));
    try {
      await server.launch();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get data(): string {
    return join(this.scratch, "data");
  }

  private async launch(): Promise<void> {
    const args = ["serve", "--listen", this.address, "--data", this.data];
    this.service = new Service("operations-center", program("operations-center"), args);
    this.url = (await this.service.line("ready ")).trim().replace(/\/$/, "");
    this.address = new URL(this.url).host;
    this.setupUrl = this.service.written("setup ");
  }

  /** A local command on this server's data; returns its stdout without the last line break. */
  async cli(args: string[], input = ""): Promise<string> {
    return runToEnd(program("operations-center"), [...args, "--data", this.data], input);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.service?.end("SIGKILL");
  }

  /** Starts again on the same port with the same data. */
  async restart(): Promise<void> {
    await this.service?.end("SIGTERM");
    await this.launch();
  }

  /** Enrolls a new agent and starts it; it ends with the server. */
  async agent(options: AgentOptions = {}): Promise<Agent> {
    const agent = await Agent.enroll(this, this.nextFolder(), options);
    return this.begin(agent);
  }

  /** The same with the words that follow `oc-agent` in a command that a page gave. */
  async agentBy(words: string[], options: AgentOptions = {}): Promise<Agent> {
    const agent = await Agent.enrollBy(words, this, this.nextFolder(), options);
    return this.begin(agent);
  }

  private nextFolder(): string {
    return join(this.scratch, `agent-${this.agents.length + 1}`);
  }

  private async begin(agent: Agent): Promise<Agent> {
    this.agents.push(agent);
    await agent.start();
    return agent;
  }

  /** Ends the agents, then the server, and removes the scratch folder. */
  async stop(): Promise<void> {
    const problems: unknown[] = [];
    for (const ended of [...this.agents.map((agent) => () => agent.stop()), () => this.service?.end("SIGTERM")]) {
      try {
        await ended();
      } catch (problem) {
        problems.push(problem);
      }
    }
    await rm(this.scratch, { recursive: true, force: true });
    if (problems.length > 0) throw problems[0];
  }
}

/** `operations-center demo`: a server with a simulated estate, in a scratch folder of its own. */
export class Demo {
  private constructor(
    private readonly service: Service,
    private readonly scratch: string,
    /** Where it answers, without a slash at the end. */
    readonly url: string,
    /** Who may sign in. */
    readonly account: { user: string; password: string },
  ) {}

  /** Returns once each of the hosts has reported. */
  static async start(agents: number): Promise<Demo> {
    const scratch = await mkdtemp(join(tmpdir(), "operations-center-"));
    const args = ["demo", "--agents", String(agents)];
    const service = new Service("operations-center", program("operations-center"), args, { TMPDIR: scratch });
    try {
      const account = JSON.parse(`{${await service.line("{", DEMO_START_MS_MAX)}`) as { user: string; password: string };
      const url = (await service.line("ready ", DEMO_START_MS_MAX)).trim().replace(/\/$/, "");
      return new Demo(service, scratch, url, account);
    } catch (error) {
      await service.end("SIGKILL");
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
  }

  /** Ends it; it must have removed what it made. */
  async stop(): Promise<void> {
    await this.service.end("SIGTERM");
    const left = await readdir(this.scratch);
    await rm(this.scratch, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`the demo left ${left.join(", ")} behind`);
  }
}

/** The arguments with which the machine of a shown command is enrolled; tests do not install services. */
export function enrollment(command: string): string[] {
  const words = command.split("oc-agent install ")[1]?.trim().split(" ") ?? [];
  return ["enroll", ...words];
}
