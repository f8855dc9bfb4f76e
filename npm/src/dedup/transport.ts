import type { HashAlgorithm } from "../index.js";

/** What every request carries. */
export interface RequestOptions {
  /** Ends the request; the promise then rejects. */
  readonly signal: AbortSignal;
}

/**
 * The way to a chunk store.
 *
 * Every method is one attempt: `upload` and `download` do the retrying, and they retry exactly the
 * rejections that are a `DedupError` with `retryable: true`. Methods are called concurrently.
 */
export interface Transport {
  /** Returns those of `digests` (at most 10,000, all different) that the store lacks. */
  missing(
    hash: HashAlgorithm,
    digests: readonly string[],
    options: RequestOptions,
  ): Promise<readonly string[]>;

  /** Stores one chunk. Must not keep `payload` after the promise settles. */
  putChunk(
    hash: HashAlgorithm,
    digest: string,
    payload: Uint8Array,
    options: RequestOptions,
  ): Promise<void>;

  /**
   * Commits a manifest in its canonical bytes.
   *
   * Rejects with a `DedupError` `chunks_missing` and its `missing` digests when the store lacks
   * chunks that the manifest names.
   */
  putManifest(rootDigest: string, manifest: Uint8Array, options: RequestOptions): Promise<void>;

  /** Returns the canonical bytes of a committed manifest. */
  getManifest(rootDigest: string, options: RequestOptions): Promise<Uint8Array>;

  /** Returns the bytes of one chunk; the caller verifies them. */
  getChunk(hash: HashAlgorithm, digest: string, options: RequestOptions): Promise<Uint8Array>;
}
