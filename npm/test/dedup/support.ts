// Sources, transports and servers of the dedup tests.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type HashAlgorithm, Hasher, Manifest, toHex } from "chunker-cdc";
import {
  type ChunkBody,
  DedupError,
  HttpTransport,
  type RequestOptions,
  type Transport,
} from "chunker-cdc/dedup";
import { createUploadServer, type UploadHandlerOptions } from "chunker-cdc/dedup/server";

/** Small chunks, so that little data has many. */
export const SMALL = { minSize: 1024, avgSize: 4096, maxSize: 16384 } as const;

/** No waiting between attempts. */
export const QUICK = { baseDelayMs: 1, maxDelayMs: 2 } as const;

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

export function digestHex(hash: HashAlgorithm, bytes: Uint8Array): string {
  return toHex(new Hasher(hash).update(bytes).finalize());
}

/** What a test lets go wrong: thrown or awaited before the request is carried out. */
export type Fault = (request: {
  method: keyof Transport;
  /** How often this method was called before. */
  count: number;
  digest?: string;
  signal: AbortSignal;
}) => void | Promise<void>;

/** A store in memory behind the transport interface, counting what is asked of it. */
export class MemoryTransport implements Transport {
  readonly chunks = new Map<string, Uint8Array>();
  readonly manifests = new Map<string, Uint8Array>();
  readonly calls = new Map<keyof Transport, number>();
  /** The digest of each chunk sent, in the order of sending, with repetitions. */
  readonly sent: string[] = [];
  fault: Fault = () => {};
  sending = 0;
  mostSending = 0;

  async missing(_: HashAlgorithm, digests: readonly string[], { signal }: RequestOptions) {
    await this.#enter("missing", signal);
    return { missing: digests.filter((digest) => !this.chunks.has(digest)) };
  }

  async putChunk(
    hash: HashAlgorithm,
    digest: string,
    { bytes: payload }: ChunkBody,
    { signal }: RequestOptions,
  ) {
    this.sending += 1;
    this.mostSending = Math.max(this.mostSending, this.sending);
    try {
      await this.#enter("putChunk", signal, digest);
      if (digestHex(hash, payload) !== digest) {
        throw new DedupError("digest_mismatch", "not the bytes of the digest", { status: 400 });
      }
      this.sent.push(digest);
      this.chunks.set(digest, payload.slice());
    } finally {
      this.sending -= 1;
    }
  }

  async putManifest(root: string, bytes: Uint8Array, { signal }: RequestOptions) {
    await this.#enter("putManifest", signal);
    const missing = Manifest.parse(bytes)
      .chunks.map((chunk) => chunk.hashHex)
      .filter((digest) => !this.chunks.has(digest));
    if (missing.length > 0) {
      throw new DedupError("chunks_missing", "chunks are missing", { status: 409, missing });
    }
    this.manifests.set(root, bytes);
  }

  async getManifest(root: string, { signal }: RequestOptions) {
    await this.#enter("getManifest", signal);
    const bytes = this.manifests.get(root);
    if (bytes === undefined) throw new DedupError("manifest_not_found", root, { status: 404 });
    return bytes;
  }

  async getChunk(_: HashAlgorithm, digest: string, { signal }: RequestOptions) {
    await this.#enter("getChunk", signal);
    const bytes = this.chunks.get(digest);
    if (bytes === undefined) throw new DedupError("chunk_not_found", digest, { status: 404 });
    return bytes;
  }

  async #enter(method: keyof Transport, signal: AbortSignal, digest?: string): Promise<void> {
    const count = this.calls.get(method) ?? 0;
    this.calls.set(method, count + 1);
    signal.throwIfAborted();
    await this.fault({ method, count, signal, ...(digest === undefined ? {} : { digest }) });
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
}

/** Resolves with the error when `signal` is aborted: a request that gets no answer. */
export function hanging(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Returns a directory that is removed after the test. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "chunker-dedup-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A listening server of this package that is closed after the test. */
export async function serve(t: TestContext, options: UploadHandlerOptions) {
  const server = createUploadServer(options);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;
  return { server, port, baseUrl, transport: new HttpTransport({ baseUrl }) };
}

/** Returns the names of all files of a store, unfinished ones included. */
export async function named(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
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
