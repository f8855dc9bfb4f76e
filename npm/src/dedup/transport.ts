import type { HashAlgorithm } from "../index.js";
import type { ChunkEncoding, MissingAnswer } from "./protocol.js";

/** What every request carries. */
export interface RequestOptions {
  /** Ends the request; the promise then rejects. */
  readonly signal: AbortSignal;
}

/** A chunk as it is sent. */
export interface ChunkBody {
  /** The chunk's bytes, encoded. */
  readonly bytes: Uint8Array;
  /** Bytes of the chunk itself. */
  readonly length: number;
  /** One that `missing` has announced; `undefined`: `bytes` are the chunk itself. */
  readonly encoding: ChunkEncoding | undefined;
}

/**
 * The way to a chunk store.
 *
 * Every method is one attempt: `upload` and `download` do the retrying, and they retry exactly the
 * rejections that are a `DedupError` with `retryable: true`. Methods are called concurrently.
 */
export interface Transport {
  /**
   * Returns those of `digests` (at most 10,000, all different) that the store lacks, and the encodings
   * that `putChunk` may use.
   */
  missing(
    hash: HashAlgorithm,
    digests: readonly string[],
    options: RequestOptions,
  ): Promise<MissingAnswer>;

  /**
   * Stores one chunk. Must not keep the bytes after the promise settles.
   *
   * Rejects with a `DedupError` of status 415 when the store does not take the encoding after all:
   * the chunk is then sent as it is.
   */
  putChunk(
    hash: HashAlgorithm,
    digest: string,
    body: ChunkBody,
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
