/// <reference lib="esnext.disposable" preserve="true" />
import { type Bytes, bytesOf } from "./bytes.js";
import type { Chunk } from "./chunk.js";
import { unpackChunks } from "./chunk-records.js";
import { createCutter } from "./cutter/create.js";
import type { Cutter } from "./cutter/types.js";
import { Owned } from "./disposable.js";
import { calling } from "./errors.js";
import { countChunks } from "./metrics.js";
import { CHUNKER_KEYS, type ChunkerOptions, checkedOptions } from "./options.js";
import { resolveProfile } from "./profile.js";
import type { HashAlgorithm } from "./types.js";

/**
 * Finds and hashes the chunks of an input that you push in pieces of any size. The chunks do not depend
 * on the pieces. Keeps at most 64 KiB of the input.
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
   * @throws {ChunkerError} `not_ready` before {@link ready} has resolved, `invalid_argument`, or as
   * {@link profile}.
   */
  constructor(options?: ChunkerOptions) {
    const { profile, offset } = checkedOptions(options, CHUNKER_KEYS);
    const resolved = resolveProfile(profile);
    this.#owned = new Owned(createCutter(resolved, offset));
    this.#hash = resolved.hash;
  }

  /**
   * Consumes `piece` and returns the chunks that end in it: often none.
   *
   * @throws {ChunkerError} `chunker_closed` after `finish()`, or `invalid_argument`.
   */
  feed(piece: Bytes): Chunk[] {
    const cutter = this.#owned.get();
    const bytes = bytesOf(piece, "piece");
    return countChunks(this.#hash, unpackChunks(calling(() => cutter.feed(bytes))));
  }

  /**
   * Ends the input and returns its last chunk, or none if the input is empty or was just cut.
   *
   * @throws {ChunkerError} `chunker_closed` if called again.
   */
  finish(): Chunk[] {
    const cutter = this.#owned.get();
    try {
      return countChunks(this.#hash, unpackChunks(calling(() => cutter.finish())));
    } finally {
      this.#owned.release();
    }
  }

  /** Frees the chunker. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}
