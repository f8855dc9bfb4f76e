// Receiving servers over stores on disk: those of this package or, where the environment variable
// CHUNKER_SERVER names one, those of another program. It starts a server for each line of its input,
// `{"root": …, "port": …, "limits": {…}, "cors": {…}, "page": [["/prefix/", directory]]}`, stops one for
// `{"stop": port}`, answers each by a line with the port, and ends with its input.

import { type ChildProcessByStdio, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { after, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { HttpTransport } from "chunker-cdc/dedup";
import { type CorsOptions, DiskChunkStore, type UploadLimits } from "chunker-cdc/dedup/server";
import { serve, temporaryDirectory } from "./support.js";

const PROGRAM = process.env.CHUNKER_SERVER;
const NODE_SERVER = fileURLToPath(new URL("./server-process.js", import.meta.url));

export interface DiskServer {
  readonly root: string;
  readonly port: number;
  readonly baseUrl: string;
  readonly transport: HttpTransport;
}

export interface DiskServerOptions {
  readonly limits?: Partial<UploadLimits>;
  readonly cors?: CorsOptions;
}

/** A listening server over a new store on disk; it is closed after the test. */
export async function serveDisk(
  t: TestContext,
  options: DiskServerOptions = {},
): Promise<DiskServer> {
  const root = await temporaryDirectory(t);
  if (PROGRAM === undefined) {
    return { root, ...(await serve(t, { store: await DiskChunkStore.open(root), ...options })) };
  }
  const { port, stop } = await startElsewhere({ root, port: 0, ...options });
  t.after(stop);
  const baseUrl = `http://127.0.0.1:${port}`;
  return { root, port, baseUrl, transport: new HttpTransport({ baseUrl }) };
}

/** Starts a server of the program in CHUNKER_SERVER, which may serve the files of a page as well. */
export async function startElsewhere(
  options: DiskServerOptions & {
    root: string;
    port: number;
    page?: readonly [prefix: string, directory: string][];
  },
): Promise<{ port: number; stop(): Promise<unknown> }> {
  if (PROGRAM === undefined) throw new Error("CHUNKER_SERVER is not set");
  program ??= new Program(PROGRAM);
  const running = program;
  const port = await running.ask(options);
  return { port, stop: () => running.ask({ stop: port }) };
}

/** A server that is a process of its own. */
export interface ServerProcess {
  readonly port: number;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

export async function startProcess(root: string, port: number): Promise<ServerProcess> {
  if (PROGRAM !== undefined) {
    const program = new Program(PROGRAM);
    return { port: await program.ask({ root, port }), kill: () => program.kill() };
  }
  const child = fork(NODE_SERVER, [root, String(port)]);
  const [address] = await once(child, "message");
  const exited = once(child, "exit");
  return {
    port: address.port,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

let program: Program | undefined;
after(() => program?.kill());

class Program {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;
  #asked: Promise<unknown> = Promise.resolve();

  constructor(command: string) {
    this.#child = spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = once(this.#child, "exit");
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Sends a line, and resolves with the port that answers it. */
  ask(line: object): Promise<number> {
    const answer = this.#asked.then(async () => {
      this.#child.stdin.write(`${JSON.stringify(line)}\n`);
      const { value, done } = await this.#answers.next();
      if (done) throw new Error("the server ended");
      return Number(value);
    });
    this.#asked = answer.catch(() => {});
    return answer;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
