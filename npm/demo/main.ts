// The program behind `make demo`: a receiving server with its store on disk, two releases of a real
// package uploaded through the client that the page uses too, downloaded again and compared; then
// the page.
//
//   FILES="a b"   upload these instead          PORT=7878   where the page is served
//   STORE=dir     keep the chunks in dir        (default: a temporary directory, removed at the end)
//   COMPRESSION=zstd   compress what is sent     (default: chunks are sent as they are)

import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ChunkEncoding } from "chunker-cdc/dedup";
import { isSameFile, uploadFile } from "./files.js";
import { plainUpload } from "./plain.js";
import type { ReceiverMessage, ReceiverOptions } from "./receiver.js";
import { fetchReleases } from "./releases.js";
import { Table } from "./table.js";

const DEFAULT_PORT = 7878;
/** Relative names are relative to where `make` or `npm` was called. */
const base = process.env.INIT_CWD ?? process.cwd();
const stop = new AbortController();
let exitCode = 0;

for (const [signal, number] of [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.once(signal, () => {
    exitCode = 128 + number;
    stop.abort();
  });
}

const temporary = await mkdtemp(join(tmpdir(), "chunker-demo-"));
try {
  await demo();
} catch (error) {
  if (!stop.signal.aborted) {
    exitCode = 1;
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  }
} finally {
  await rm(temporary, { recursive: true, force: true });
}
process.exitCode = exitCode;

async function demo(): Promise<void> {
  const { signal } = stop;
  const compression = compressionOf(process.env.COMPRESSION);
  const kept = process.env.STORE;
  const store = kept === undefined ? join(temporary, "store") : resolve(base, kept);
  const receiver = await startReceiver({
    store,
    isKept: kept !== undefined,
    port: portOf(process.env.PORT),
    plainFile: join(temporary, "plain"),
  });
  try {
    const paths = await filesToUpload(signal);
    await Promise.race([uploadAndVerify(receiver, paths, compression, signal), receiver.lost]);
    if (!process.stdin.isTTY) return;
    console.log(`\nDrop your own files on ${receiver.url}`);
    console.log(`The chunks are in ${store}. Ctrl-C stops the server.`);
    await Promise.race([aborted(signal), receiver.lost]);
    // Ctrl-C is the normal way to stop the server.
    exitCode = 0;
  } finally {
    await receiver.stop();
  }
}

interface Receiver {
  /** The address of the page and of the upload protocol. */
  readonly url: string;
  /** The address for plain uploads. */
  readonly plainUrl: string;
  /** Rejects when the process ends. */
  readonly lost: Promise<never>;
  stop(): Promise<void>;
}

async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const script = fileURLToPath(new URL("receiver.js", import.meta.url));
  const child = fork(script, [JSON.stringify(options)]);
  const ended = once(child, "exit");
  const stop = async () => {
    if (child.connected) child.disconnect();
    await ended;
  };
  const lost = ended.then((): never => {
    throw new Error("the server ended early");
  });
  lost.catch(() => {}); // reported where it is awaited
  const [message] = (await Promise.race([once(child, "message"), lost])) as [ReceiverMessage];
  if (!("error" in message)) return { ...message, lost, stop };
  await stop();
  throw new Error(message.error);
}

async function filesToUpload(signal: AbortSignal): Promise<string[]> {
  const names = (process.env.FILES ?? "").split(/\s+/).filter((name) => name !== "");
  const own = [...process.argv.slice(2), ...names];
  if (own.length > 0) return own.map((name) => resolve(base, name));
  return fetchReleases(join(temporary, "releases"), signal);
}

async function uploadAndVerify(
  { url, plainUrl }: Receiver,
  paths: string[],
  compression: ChunkEncoding | undefined,
  signal: AbortSignal,
): Promise<void> {
  const table = new Table([
    "file",
    "bytes",
    "chunks",
    "new chunks",
    "bytes sent",
    "on the wire",
    "saved",
    "MB/s",
    "plain MB/s",
  ]);
  const uploaded: { name: string; path: string; root: string }[] = [];
  for (const path of paths) {
    const { name, result, seconds } = await uploadFile(path, url, compression, signal);
    const { bytesRead: bytes, chunks, newChunks, bytesSent, bytesOnWire, root } = result;
    const saved = bytes === 0 ? 0 : (100 * (bytes - bytesSent)) / bytes;
    table.add([
      name,
      bytes,
      chunks,
      newChunks,
      bytesSent,
      bytesOnWire,
      `${saved.toFixed(1)} %`,
      (bytes / seconds / 1e6).toFixed(1),
      (bytes / (await plainUpload(path, plainUrl, signal)) / 1e6).toFixed(1),
    ]);
    uploaded.push({ name, path, root });
  }
  console.log(`\n${table}`);
  console.log("A plain upload sends all bytes, hashes nothing, and writes a file.\n");
  for (const { name, path, root } of uploaded) {
    if (!(await isSameFile(path, root, url, signal))) {
      throw new Error(`${name} came back different`);
    }
    console.log(`${name}: downloaded again, every chunk checked, the same byte for byte`);
  }
}

function compressionOf(text: string | undefined): ChunkEncoding | undefined {
  if (text === undefined || text === "") return undefined;
  if (text !== "zstd") throw new Error(`COMPRESSION is ${text}, not zstd`);
  return text;
}

function portOf(text: string | undefined): { port: number; fixed: boolean } {
  if (text === undefined || text === "") return { port: DEFAULT_PORT, fixed: false };
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`PORT is ${text}, not a number in 0..=65535`);
  }
  return { port, fixed: true };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
