// Sources, transports and checks of the dedup tests.

import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HashAlgorithm } from "chunker-cdc";
import type {
  Body,
  PutOptions,
  ReadChunksOptions,
  ReadFileOptions,
  RequestOptions,
  Transport,
} from "chunker-cdc/dedup";
import { MemoryStore } from "./memory-store.js";

export { digestHex } from "./memory-store.js";

/** Small chunks, so that little data has many. */
export const SMALL = { minSize: 1024, avgSize: 4096, maxSize: 16384 } as const;

/** No waiting between attempts. */
export const QUICK = { baseDelayMs: 1, maxDelayMs: 2 } as const;

/** What JavaScript may pass as `retry`, and the types do not allow. */
export const WRONG_RETRIES: readonly unknown[] = [
  null,
  5,
  { foo: 1 },
  { attempts: "x" },
  { attempts: -1 },
  { attempts: 0 },
  { attempts: 1.5 },
  { baseDelayMs: -1 },
  { maxDelayMs: 2 ** 31 },
  { random: 0.5 },
  { onRetry: "log" },
];

/** SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed everywhere. */
export function splitMix64(seed: number): () => bigint {
  let state = BigInt(seed);
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  };
}

/** Returns `length` bytes that follow from `seed`. */
export function randomBytes(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const next = splitMix64(seed);
  const words = new BigUint64Array(Math.ceil(length / 8));
  for (let at = 0; at < words.length; at += 1) words[at] = next();
  return new Uint8Array(words.buffer, 0, length);
}

/** Returns `length` bytes that follow from `seed`, of half the entropy. */
export function compressibleBytes(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return randomBytes(length, seed).map((byte) => byte & 0x0f);
}

/** The requests of a {@link Transport}. */
export type Method = Exclude<keyof Transport, "takesBlobs">;

/** What a test lets go wrong: thrown or awaited before the request is carried out. */
export type Fault = (request: {
  method: Method;
  /** How often this method was called before. */
  count: number;
  signal: AbortSignal;
}) => void | Promise<void>;

/** A store in memory behind the transport interface, counting what is asked of it. */
export class MemoryTransport implements Transport {
  takesBlobs = false;
  readonly store: MemoryStore = new MemoryStore();
  readonly calls = new Map<Method, number>();
  fault: Fault = () => {};
  sending = 0;
  mostSending = 0;

  /** The digest of each chunk sent, in the order of sending, with repetitions. */
  get sent(): string[] {
    return this.store.sent;
  }

  get chunks(): Map<string, Uint8Array> {
    return this.store.chunks;
  }

  get manifests(): Map<string, Uint8Array> {
    return this.store.manifests;
  }

  async limits({ signal }: RequestOptions) {
    await this.#enter("limits", signal);
    return this.store.limits;
  }

  async missing(hash: HashAlgorithm, digests: Uint8Array, { signal }: RequestOptions) {
    await this.#enter("missing", signal);
    return { missing: this.store.missing(hash, digests), limits: this.store.limits };
  }

  async putPack(hash: HashAlgorithm, pack: Body, { signal, onSent }: PutOptions) {
    this.sending += 1;
    this.mostSending = Math.max(this.mostSending, this.sending);
    try {
      await this.#enter("putPack", signal);
      onSent?.(pack.length / 2);
      await this.store.putPack(hash, await bytesOf(pack));
    } finally {
      this.sending -= 1;
    }
  }

  async readChunks(
    hash: HashAlgorithm,
    digests: Uint8Array,
    { signal }: ReadChunksOptions,
  ): Promise<AsyncIterable<Uint8Array>> {
    await this.#enter("readChunks", signal);
    return inPieces(this.store.readChunks(hash, digests), 65_536);
  }

  /** Its chunks come by {@link readChunks}, whatever a test has made of that. */
  async readFile(root: string, { range, ...options }: ReadFileOptions) {
    const { signal } = options;
    await this.#enter("readFile", signal);
    const { head, digests } = this.store.download(root, range?.start, range?.end);
    const hash = root.split("-")[0] as HashAlgorithm;
    const chunks = await this.readChunks(hash, digests, options);
    return { [Symbol.asyncIterator]: () => following(head, chunks[Symbol.asyncIterator]()) };
  }

  async putManifest(root: string, bytes: Uint8Array, { signal }: RequestOptions) {
    await this.#enter("putManifest", signal);
    this.store.putManifest(root, bytes);
  }

  async getManifest(root: string, { signal }: RequestOptions) {
    await this.#enter("getManifest", signal);
    return this.store.getManifest(root);
  }

  async listFiles({ signal, after, limit }: Parameters<Transport["listFiles"]>[0]) {
    await this.#enter("listFiles", signal);
    return this.store.listFiles(after, limit);
  }

  async deleteFile(root: string, { signal }: RequestOptions) {
    await this.#enter("deleteFile", signal);
    this.store.deleteFile(root);
  }

  async usage({ signal }: RequestOptions) {
    await this.#enter("usage", signal);
    return this.store.usage();
  }

  async #enter(method: Method, signal: AbortSignal): Promise<void> {
    const count = this.calls.get(method) ?? 0;
    this.calls.set(method, count + 1);
    signal.throwIfAborted();
    await this.fault({ method, count, signal });
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
}

/** Returns the bytes of a body. */
export async function bytesOf({ parts, length }: Body): Promise<Uint8Array> {
  const bytes = new Uint8Array(await new Blob([...parts]).arrayBuffer());
  if (bytes.length !== length) throw new Error(`the body has ${bytes.length} bytes, not ${length}`);
  return bytes;
}

/** Yields `bytes` in pieces of `size`. */
export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Yields `first`, and then what `rest` yields; ends that with itself. */
function following(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncIterator<Uint8Array, unknown> {
  let isFirst = true;
  return {
    async next() {
      if (!isFirst) return rest.next();
      isFirst = false;
      return { done: false, value: first };
    },
    async return() {
      return (await rest.return?.()) ?? { done: true, value: undefined };
    },
  };
}

/** Resolves with the error when `signal` is aborted: a request that gets no answer. */
export function hanging(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Removed when the process exits: a server may write to one until the last hook of its test has run. */
const directories = new Set<string>();
process.once("exit", () => {
  for (const path of directories) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
});

/** Returns an empty directory for the tests of this process. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "chunker-dedup-"));
  directories.add(path);
  return path;
}

/** Returns all bytes of `pieces`. */
export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** Awaits the rejection of `promise` and returns its `code`. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
  return "resolved";
}
