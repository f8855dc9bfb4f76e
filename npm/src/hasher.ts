/// <reference lib="esnext.disposable" preserve="true" />
import { type ByteArray, type Bytes, bytesOf } from "./bytes.js";
import { beginDigest } from "./cutter/digests.js";
import type { RunningDigest } from "./cutter/sha256.js";
import { type Handle, Owned } from "./disposable.js";
import { calling } from "./errors.js";
import { core } from "./load.js";
import { countDigest } from "./metrics.js";
import { ready } from "./ready.js";
import type { HashAlgorithm } from "./types.js";

/** Computes the digest of data that arrives in pieces. */
export class Hasher {
  readonly #owned: Owned<RunningDigest & Handle>;
  readonly #hash: HashAlgorithm;
  #length = 0;

  /** @throws {ChunkerError} `not_ready`, `unknown_hash_algorithm` or `invalid_argument`. */
  constructor(hash: HashAlgorithm) {
    core();
    this.#owned = new Owned(beginDigest(hash));
    this.#hash = hash;
  }

  /**
   * Appends `data`.
   *
   * @throws {ChunkerError} `chunker_closed` after {@link finalize}, or `invalid_argument`.
   */
  update(data: Bytes): this {
    const handle = this.#owned.get();
    const bytes = bytesOf(data);
    calling(() => handle.update(bytes));
    this.#length += bytes.length;
    return this;
  }

  /**
   * Ends the data and returns its 32-byte digest.
   *
   * @throws {ChunkerError} `chunker_closed` if called again.
   */
  finalize(): ByteArray {
    const handle = this.#owned.get();
    try {
      const digest = new Uint8Array(calling(() => handle.digest()));
      countDigest(this.#hash, this.#length);
      return digest;
    } finally {
      this.#owned.release();
    }
  }

  /** Frees the hasher. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** Returns the 32-byte digest of `data`. */
export async function digest(hash: HashAlgorithm, data: Bytes): Promise<ByteArray> {
  await ready();
  return new Hasher(hash).update(data).finalize();
}
