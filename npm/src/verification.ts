// Verifies bytes against the chunks of a manifest.

import { type ByteArray, type Bytes, bytesOf, isEqual } from "./bytes.js";
import type { Chunk } from "./chunk.js";
import { unpackChunks } from "./chunk-records.js";
import { createListedCutter } from "./cutter/create.js";
import { digestNow, digestOf } from "./cutter/digests.js";
import { ChunkerError } from "./errors.js";
import { checkInteger, type SourceOptions } from "./options.js";
import { type ByteSource, lengthOf, orAborted, pieces, throwIfAborted } from "./source.js";
import type { HashAlgorithm } from "./types.js";

/** What a manifest says about an input. */
interface Listed {
  readonly chunks: readonly Chunk[];
  readonly hash: HashAlgorithm;
  readonly totalLength: number;
}

/**
 * Returns the stored bytes of a chunk, or `undefined` or `null` if it is not stored. They must not change
 * before the next chunk is requested.
 */
export type ChunkFetch = (
  chunk: Chunk,
  options: { readonly signal: AbortSignal | undefined },
) => Bytes | null | undefined | PromiseLike<Bytes | null | undefined>;

/** Throws unless `data` is the chunk at `index`. */
export function verifyChunk({ chunks, hash }: Listed, index: number, data: Bytes): void {
  checkInteger("index", index, 0);
  const bytes = bytesOf(data);
  const chunk = chunks[index];
  if (chunk === undefined) {
    throw new ChunkerError("chunk_index_out_of_range", `the manifest has no chunk ${index}`);
  }
  checkLength(index, bytes.length, chunk);
  checkDigest(index, digestNow(hash, [bytes]), chunk);
}

/** Throws unless `source` is exactly the input. */
export async function verify(
  { chunks, hash, totalLength }: Listed,
  source: ByteSource,
  { signal, onProgress }: SourceOptions,
): Promise<void> {
  throwIfAborted(signal);
  const totalBytes = lengthOf(source);
  const cutter = createListedCutter(chunks, hash);
  let index = 0;
  let bytesRead = 0;
  try {
    for await (const piece of pieces(source, signal)) {
      const left = totalLength - bytesRead;
      for (const found of unpackChunks(await cutter.feed(piece.subarray(0, left)))) {
        checkDigest(index, found.hash, chunks[index] as Chunk);
        index++;
      }
      if (piece.length > left) {
        throw new ChunkerError("chunk_length_mismatch", "trailing bytes after the last chunk");
      }
      bytesRead += piece.length;
      onProgress?.(totalBytes === undefined ? { bytesRead } : { bytesRead, totalBytes });
      throwIfAborted(signal);
    }
  } finally {
    cutter.free();
  }
  const missing = chunks[index];
  if (missing !== undefined) checkLength(index, bytesRead - missing.offset, missing);
}

/** Yields the verified payloads of the chunks. */
export async function* reassemble(
  { chunks, hash }: Listed,
  fetch: ChunkFetch,
  signal: AbortSignal | undefined,
): AsyncGenerator<ByteArray, void, undefined> {
  let payload: ByteArray | undefined;
  for (const [index, chunk] of chunks.entries()) {
    throwIfAborted(signal);
    if (payload === undefined) {
      payload = await fetched(fetch, index, chunk, signal);
      checkLength(index, payload.length, chunk);
      checkDigest(index, await digestOf(hash, [payload]), chunk);
      throwIfAborted(signal);
    }
    const next = chunks[index + 1];
    if (next !== undefined && next.length === chunk.length && isEqual(next.hash, chunk.hash)) {
      // The consumer may overwrite what it gets.
      yield payload.slice();
    } else {
      yield payload;
      payload = undefined;
    }
  }
}

async function fetched(
  fetch: ChunkFetch,
  index: number,
  chunk: Chunk,
  signal: AbortSignal | undefined,
): Promise<ByteArray> {
  const unavailable = (options: ErrorOptions) =>
    new ChunkerError("chunk_unavailable", `chunk ${index} could not be fetched`, options);
  const fetching = (async () => fetch(chunk, { signal }))().catch((cause: unknown) => {
    throw unavailable({ cause });
  });
  const payload = await orAborted(fetching, signal);
  if (payload === undefined || payload === null) throw unavailable({});
  return bytesOf(payload, `chunk ${index}`);
}

function checkLength(index: number, actual: number, { length }: Chunk): void {
  if (actual === length) return;
  const message = `chunk ${index} has ${actual} bytes (expected ${length})`;
  throw new ChunkerError("chunk_length_mismatch", message);
}

function checkDigest(index: number, digest: Uint8Array, { hash }: Chunk): void {
  if (isEqual(digest, hash)) return;
  throw new ChunkerError("chunk_digest_mismatch", `chunk ${index} does not match its digest`);
}
