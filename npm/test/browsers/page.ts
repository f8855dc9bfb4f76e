// What runs in the page of a browser: one suite of tests, whose outcome is what the module exports.

import type * as Api from "chunker-cdc";

/** What became of a suite. */
export interface Outcome {
  /** Counts, a line each. */
  readonly lines: readonly string[];
  /** Differences from the vectors, and laws that do not hold. */
  readonly problems: readonly string[];
}

// What `await using` needs, before anything of the package is loaded: WebKitGTK 2.50 has neither.
for (const name of ["dispose", "asyncDispose"] as const) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol(name) });
}

type Law = (...args: unknown[]) => Promise<void>;

const at = (path: string) => import(path);

/** Runs every law; `args` are what the laws are about. */
async function hold(
  laws: Record<string, Law>,
  where: string,
  ...args: unknown[]
): Promise<Outcome> {
  const problems: string[] = [];
  for (const [name, law] of Object.entries(laws)) {
    await law(...args).catch((error) => problems.push(`${name}: ${text(error)}`));
  }
  const count = Object.keys(laws).length;
  return { lines: [`laws: ${where}: ${count - problems.length} of ${count} hold`], problems };
}

async function conform(api: typeof Api, where: string): Promise<Outcome> {
  const { runConformance } = await at("/test-out/conformance.js");
  const vectors = await (await fetch("/vectors.json")).json();
  const { line, differences } = await runConformance(api, vectors, where);
  return { lines: [line], problems: differences };
}

function both(one: Outcome, other: Outcome): Outcome {
  return {
    lines: [...one.lines, ...other.lines],
    problems: [...one.problems, ...other.problems],
  };
}

async function core(where: string, file: string): Promise<Outcome> {
  const { setSource } = await at("/dist/load.js");
  const api: typeof Api = await at("/dist/index.js");
  setSource(() => fetch(`/dist/${file}`));
  await api.ready();
  const { LAWS } = await at("/test-out/laws.js");
  return both(await conform(api, where), await hold(LAWS, where, api));
}

async function codecs(where: string): Promise<Outcome> {
  const api = await at("/dist/codecs/index.browser.js");
  const { runConformance } = await at("/test-out/codecs/conformance.js");
  const vectors = await (await fetch("/codecs.json")).json();
  const { line, differences } = await runConformance(api, vectors, where.replace(/ codecs$/, ""));
  const { LAWS } = await at("/test-out/codecs/laws.js");
  return both({ lines: [line], problems: differences }, await hold(LAWS, where, api));
}

async function pool(where: string): Promise<Outcome> {
  const api: typeof Api = await at("/dist/index.browser.js");
  const { ChunkerPool } = await at("/dist/pool/index.browser.js");
  await using pool = new ChunkerPool({ workers: 2 });
  const pooled = { ...api, chunk: pool.chunk.bind(pool) };
  const { POOL_LAWS } = await at("/test-out/pool/laws.js");
  return both(await conform(pooled, where), await hold(POOL_LAWS, where, api, ChunkerPool));
}

async function threads(where: string): Promise<Outcome> {
  const api: typeof Api = await at("/dist/index.browser.js");
  const { ThreadedChunker } = await at("/dist/threads/index.browser.js");
  if (typeof SharedArrayBuffer === "undefined") {
    const code = await Promise.resolve()
      .then(() => new ThreadedChunker())
      .catch((error: Api.ChunkerError) => error.code);
    const problems = code === "threads_unavailable" ? [] : [`no shared memory, but: ${code}`];
    return { lines: [`laws: ${where}: no shared memory: threads_unavailable`], problems };
  }
  await using chunker = new ThreadedChunker({ threads: 2 });
  const threaded = { ...api, chunk: chunker.chunk.bind(chunker) };
  const { THREADS_LAWS } = await at("/test-out/threads/laws.js");
  return both(
    await conform(threaded, where),
    await hold(THREADS_LAWS, where, api, ThreadedChunker),
  );
}

const LENGTH = 9_000_001;

/** What holds of transfers, with the server that sent the page. */
const TRANSFER_LAWS: Record<string, Law> = {
  async what_was_sent_comes_back_and_is_not_sent_again() {
    const { HttpTransport, upload, download } = await at("/dist/dedup/index.browser.js");
    const transport = new HttpTransport({ baseUrl: location.origin });
    const { root, bytesSent } = await upload(file("a"), { transport });
    equal(bytesSent, LENGTH);
    equal((await upload(file("b"), { transport })).bytesSent, 0);
    const back = await bytesOf(download(root, { transport }));
    equal(await digest(back), await digest(new Uint8Array(await file("a").arrayBuffer())));
  },

  async a_worker_uploads_the_same() {
    const worker = new Worker("/test-out/browsers/worker.js", { type: "module" });
    const uploaded = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.postMessage(file("a"));
    const { HttpTransport, upload } = await at("/dist/dedup/index.browser.js");
    const transport = new HttpTransport({ baseUrl: location.origin });
    equal(await uploaded, (await upload(file("a"), { transport })).root);
    worker.terminate();
  },

  async an_edited_file_costs_what_changed_in_both_directions() {
    const { HttpTransport, upload, download } = await at("/dist/dedup/index.browser.js");
    const transport = new HttpTransport({ baseUrl: location.origin });
    const old = file("a");
    await upload(old, { transport, profile: "medium" });
    const edited = new File([old.slice(0, 4_000_000), "edited", old.slice(4_000_000)], "c");
    const { root, bytesSent } = await upload(edited, { transport, profile: "medium" });
    if (bytesSent > 800_000) throw new Error(`${bytesSent} bytes sent`);
    const reading = download(root, { transport, reuse: old });
    equal((await bytesOf(reading)).length, LENGTH + 6);
    const { bytesOnWire } = reading.progress;
    if (bytesOnWire > 800_000) throw new Error(`${bytesOnWire} bytes on the wire`);
  },

  async a_paused_upload_goes_on_and_an_aborted_one_ends() {
    const { HttpTransport, upload, Upload } = await at("/dist/dedup/index.browser.js");
    const transport = new HttpTransport({ baseUrl: location.origin });
    const controller = new AbortController();
    const aborted = upload(new Blob([file("a"), "x"]), { transport, signal: controller.signal });
    controller.abort();
    equal(await aborted.catch((error: Api.ChunkerError) => error.code), "aborted");
    const paused = new Upload(file("a"), { transport });
    paused.pause();
    equal(paused.state, "paused");
    paused.resume();
    equal((await paused.done).bytesSent, 0);
  },
};

function file(name: string): File {
  const bytes = new Uint8Array(LENGTH);
  for (let at = 0, x = 1; at < LENGTH; at++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[at] = x >>> 16;
  }
  return new File([bytes], name);
}

async function bytesOf(parts: AsyncIterable<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  const all: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of parts) all.push(part);
  return new Uint8Array(await new Blob(all).arrayBuffer());
}

async function digest(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest).join();
}

function equal(found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`${found}, not ${wanted}`);
}

function text(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error);
}

/** The suites, in the order in which they run, each in a page of its own. */
export const SUITES: Record<string, (where: string) => Promise<Outcome>> = {
  plain: (where) => core(where, "chunker.wasm"),
  simd128: (where) => core(where, "chunker-simd128.wasm"),
  codecs,
  pool,
  threads,
  transfers: (where) => hold(TRANSFER_LAWS, where),
};

/** Runs the suite that the page's address names, and reports to the server, which names the next one. */
export async function run(): Promise<void> {
  const query = new URL(location.href).searchParams;
  const [browser, name = ""] = [query.get("browser"), query.get("suite") ?? undefined];
  const failed = (error: unknown): Outcome => ({
    lines: [],
    problems: [`${name}: ${text(error)}`],
  });
  const suite = SUITES[name] ?? (async () => failed("there is no such suite"));
  const outcome = await suite(`${browser} ${name}`).catch(failed);
  const body = JSON.stringify({ suite: name, ...outcome });
  const next = await (await fetch("/outcome", { method: "POST", body })).text();
  if (next !== "") location.search = `?browser=${browser}&suite=${next}`;
}
