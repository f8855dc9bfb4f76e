/// <reference lib="esnext.disposable" preserve="true" />
import { type Bytes, bytesOf } from "./bytes.js";
import { type Chunk, unpackChunks } from "./chunk.js";
import { type Cutter, createCutter } from "./cutter.js";
import { Owned } from "./disposable.js";
import { calling } from "./errors.js";
import { core } from "./load.js";
import { countChunks } from "./metrics.js";
import {
  CHUNKER_KEYS,
  CHUNKING_KEYS,
  type ChunkerOptions,
  type ChunkingOptions,
  checkedOptions,
  type HashAlgorithm,
  hashOf,
} from "./options.js";
import { ready } from "./ready.js";

/**
 * Finds and hashes the chunks of an input that is pushed in pieces of any size; the chunks do not
 * depend on how it is split. Keeps at most 64 KiB of the input.
 *
 * ```ts
 * using chunker = new Chunker();
 * for (const piece of pieces) for (const chunk of chunker.feed(piece)) store(chunk);
 * for (const chunk of chunker.finish()) store(chunk);
 * ```
 */
export class Chunker {
  readonly #owned: Owned<Cutter>;
  readonly #hash: HashAlgorithm;

  /**
   * @throws {ChunkerError} `not_ready` before {@link ready} has resolved,
   * `invalid_chunking_options`, `unknown_hash_algorithm` or `invalid_argument`.
   */
  constructor(options?: ChunkerOptions) {
    const checked = checkedOptions(options, CHUNKER_KEYS);
    this.#owned = new Owned(createCutter(checked));
    this.#hash = hashOf(checked.hash);
  }

  /**
   * Reads all of `piece` and returns the chunks that end in it, often none.
   *
   * @throws {ChunkerError} `chunker_closed` after `finish()`, or `invalid_argument`.
   */
  feed(piece: Bytes): Chunk[] {
    const cutter = this.#owned.get();
    const bytes = bytesOf(piece, "piece");
    return countChunks(this.#hash, unpackChunks(calling(() => cutter.feed(bytes))));
  }

  /**
   * Ends the input and returns its last chunk, or nothing when the input is empty or was just cut.
   *
   * @throws {ChunkerError} `chunker_closed` when called again.
   */
  finish(): Chunk[] {
    const cutter = this.#owned.get();
    try {
      return countChunks(this.#hash, unpackChunks(calling(() => cutter.finish())));
    } finally {
      this.#owned.release();
    }
  }

  /** Frees the chunker; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/**
 * Returns the profile id of `options`, which decides all chunks and digests of an input: for example
 * `fastcdc-v2020/nc1/262144-1048576-4194304/sha256`. Two sides with equal profiles find equal chunks.
 */
export async function profile(options?: ChunkingOptions): Promise<string> {
  await ready();
  return profileOf(options);
}

export function profileOf(options: ChunkingOptions | undefined): string {
  const { minSize, avgSize, maxSize, hash } = checkedOptions(options, CHUNKING_KEYS);
  const { profile } = core();
  return calling(() => profile(minSize, avgSize, maxSize, hash));
}
