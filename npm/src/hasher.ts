/// <reference lib="esnext.disposable" preserve="true" />
import { type Bytes, bytesOf } from "./bytes.js";
import { type Handle, Owned } from "./disposable.js";
import { calling } from "./errors.js";
import { core } from "./load.js";
import { countDigest } from "./metrics.js";
import type { HashAlgorithm } from "./options.js";
import { ready } from "./ready.js";
import { type RunningDigest, runningSha256 } from "./sha256.js";

/** A digest of data that arrives in pieces. */
export class Hasher {
  readonly #owned: Owned<RunningDigest & Handle>;
  readonly #hash: HashAlgorithm;
  #length = 0;

  /** @throws {ChunkerError} `not_ready`, `unknown_hash_algorithm` or `invalid_argument`. */
  constructor(hash: HashAlgorithm) {
    const { Hasher } = core();
    const begin = hash === "sha256" ? runningSha256() : undefined;
    this.#owned = new Owned(begin ? unowned(begin()) : calling(() => new Hasher(hash)));
    this.#hash = hash;
  }

  /** Appends `data`. */
  update(data: Bytes): this {
    const handle = this.#owned.get();
    const bytes = bytesOf(data);
    calling(() => handle.update(bytes));
    this.#length += bytes.length;
    return this;
  }

  /** Ends the data and returns its digest, 32 bytes. */
  digest(): Uint8Array<ArrayBuffer> {
    const handle = this.#owned.get();
    try {
      const digest = new Uint8Array(calling(() => handle.digest()));
      countDigest(this.#hash, this.#length);
      return digest;
    } finally {
      this.#owned.release();
    }
  }

  /** Frees the hasher; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** Returns a digest of the platform as a handle: there is nothing to free. */
function unowned(digest: RunningDigest): RunningDigest & Handle {
  return {
    update: (bytes) => digest.update(bytes),
    digest: () => digest.digest(),
    free: () => {},
  };
}

/** Returns the digest of `data`, 32 bytes. */
export async function digest(hash: HashAlgorithm, data: Bytes): Promise<Uint8Array<ArrayBuffer>> {
  await ready();
  return new Hasher(hash).update(data).digest();
}
