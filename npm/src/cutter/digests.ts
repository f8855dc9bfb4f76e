// Digests, by the platform where that is faster, or else by the module.

import { ByteQueue } from "../byte-queue.js";
import { type ByteArray, copyTo, isEqual, totalLength, whole } from "../bytes.js";
import type { Handle } from "../disposable.js";
import { ChunkerError, calling, counted, failureOf } from "../errors.js";
import { core } from "../load.js";
import { addon } from "../native.js";
import type { HashAlgorithm } from "../types.js";
import { type RunningDigest, runningSha256, wholeSha256 } from "./sha256.js";

/** Chunks shorter than this, in bytes, are not worth a call to `crypto.subtle`. */
export const SHORTEST_WHOLE = 16 * 1024;
/** Limit for chunks that are gathered in {@link scratch}, in bytes. */
const LONGEST_KEPT = 4 * 1024 * 1024;

/** Room for the parts of a chunk: a new buffer for each chunk would keep the garbage collector busy. */
let scratch: ByteArray = new Uint8Array(0);

/** Starts a digest of bytes as they come. */
export function beginDigest(hash: HashAlgorithm): RunningDigest & Handle {
  const begin = hash === "sha256" ? runningSha256() : undefined;
  if (begin !== undefined) {
    const digest = begin();
    return {
      update: (bytes) => digest.update(bytes),
      digest: () => digest.digest(),
      free: () => {},
    };
  }
  const { Hasher } = core();
  const hasher = calling(() => new Hasher(hash));
  return {
    update: (bytes) => hasher.update(bytes),
    digest: () => hasher.finalize(),
    free: () => hasher.free(),
  };
}

/** Returns a function that hashes whole chunks off this thread, if that is fastest here. */
export function wholeDigest(
  hash: HashAlgorithm,
): ((bytes: ByteArray) => Promise<ArrayBuffer>) | undefined {
  return hash === "sha256" && runningSha256() === undefined ? wholeSha256() : undefined;
}

/** Returns the digest of the bytes in `parts`, which may change once this has returned. */
export function digestOf(
  hash: HashAlgorithm,
  parts: readonly ByteArray[],
): Uint8Array | Promise<Uint8Array> {
  const length = totalLength(parts);
  const digest = length < SHORTEST_WHOLE ? undefined : wholeDigest(hash);
  if (digest === undefined) return digestNow(hash, parts);
  const bytes = gathered(parts, length);
  return digest(bytes).then((buffer) => new Uint8Array(buffer), throwPlatformHashFailed);
}

/** Returns the `length` bytes of `parts` in one buffer, valid until the next call. */
function gathered(parts: readonly ByteArray[], length: number): ByteArray {
  if (parts.length === 1 || length > LONGEST_KEPT) return whole(parts);
  if (length > scratch.length) scratch = new Uint8Array(length);
  copyTo(scratch, parts);
  return scratch.subarray(0, length);
}

/**
 * Resolves with the number of chunks before the first one that does not match its digest. `parts` holds the
 * chunks one after another, and must not change until then.
 */
export async function countIntact(
  hash: HashAlgorithm,
  parts: readonly ByteArray[],
  chunks: readonly { readonly hash: Uint8Array; readonly length: number }[],
): Promise<number> {
  const native = addon();
  if (native !== undefined) {
    const lengths = Uint32Array.from(chunks, ({ length }) => length);
    const digests = new Uint8Array(32 * chunks.length);
    for (const [at, { hash }] of chunks.entries()) digests.set(hash, 32 * at);
    try {
      return await native.countIntact(hash, parts, lengths, digests);
    } catch (error) {
      throw counted(failureOf(error));
    }
  }
  const queue = new ByteQueue(parts);
  const found = chunks.map(({ length }) => digestOf(hash, queue.take(length)));
  const digests = await Promise.all(found);
  const wrong = chunks.findIndex(({ hash }, at) => !isEqual(hash, digests[at] as Uint8Array));
  return wrong < 0 ? chunks.length : wrong;
}

/** Returns the digest of the bytes in `parts` synchronously. */
export function digestNow(hash: HashAlgorithm, parts: readonly Uint8Array[]): Uint8Array {
  const running = beginDigest(hash);
  try {
    for (const part of parts) running.update(part);
    return running.digest();
  } finally {
    running.free();
  }
}

export function throwPlatformHashFailed(cause: unknown): never {
  throw new ChunkerError("platform_hash_failed", "crypto.subtle could not hash a chunk", { cause });
}
