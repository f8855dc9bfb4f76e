// Digests: by the platform where that is faster, else by the module.

import type { ByteArray } from "../bytes.js";
import type { Handle } from "../disposable.js";
import { ChunkerError, calling } from "../errors.js";
import { core } from "../load.js";
import type { HashAlgorithm } from "../types.js";
import { type RunningDigest, runningSha256, wholeSha256 } from "./sha256.js";

/** Chunks shorter than this, in bytes, are not worth a call of `crypto.subtle`. */
export const SHORTEST_WHOLE = 16 * 1024;

/** Begins a digest of bytes as they come. */
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

/** Returns what hashes whole chunks outside of this thread, if that is the fastest way here. */
export function wholeDigest(
  hash: HashAlgorithm,
): ((bytes: ByteArray) => Promise<ArrayBuffer>) | undefined {
  return hash === "sha256" && runningSha256() === undefined ? wholeSha256() : undefined;
}

/** Returns the digest of `bytes`, which may change as soon as this has returned. */
export function digestOf(hash: HashAlgorithm, bytes: ByteArray): Uint8Array | Promise<Uint8Array> {
  const digest = bytes.length < SHORTEST_WHOLE ? undefined : wholeDigest(hash);
  if (digest === undefined) return digestNow(hash, bytes);
  return digest(bytes).then((buffer) => new Uint8Array(buffer), throwPlatformHashFailed);
}

/** Returns the digest of `bytes`, without waiting. */
export function digestNow(hash: HashAlgorithm, bytes: Uint8Array): Uint8Array {
  const running = beginDigest(hash);
  try {
    running.update(bytes);
    return running.digest();
  } finally {
    running.free();
  }
}

export function throwPlatformHashFailed(cause: unknown): never {
  throw new ChunkerError("platform_hash_failed", "crypto.subtle could not hash a chunk", { cause });
}
