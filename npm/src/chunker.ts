/// <reference lib="esnext.disposable" preserve="true" />
import type { Bytes } from "./bytes.js";
import type { Chunk } from "./chunk.js";
import { calling } from "./errors.js";
import { Finder } from "./finder.js";
import { core } from "./load.js";
import { countChunks } from "./metrics.js";
import {
  CHUNKING_KEYS,
  type ChunkerOptions,
  type ChunkingOptions,
  checkedOptions,
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
  readonly #finder: Finder;

  /**
   * @throws {ChunkerError} `not_ready` before {@link ready} has resolved,
   * `invalid_chunking_options`, `unknown_hash_algorithm` or `invalid_argument`.
   */
  constructor(options?: ChunkerOptions) {
    this.#finder = new Finder(options);
  }

  /**
   * Reads all of `piece` and returns the chunks that end in it, often none.
   *
   * @throws {ChunkerError} `chunker_closed` after `finish()`, or `invalid_argument`.
   */
  feed(piece: Bytes): Chunk[] {
    return countChunks(this.#finder.hash, this.#finder.feed(piece));
  }

  /**
   * Ends the input and returns its last chunk, or nothing when the input is empty or was just cut.
   *
   * @throws {ChunkerError} `chunker_closed` when called again.
   */
  finish(): Chunk[] {
    return countChunks(this.#finder.hash, this.#finder.finish());
  }

  /** Frees the chunker; may be called at any time. */
  [Symbol.dispose](): void {
    this.#finder.release();
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
