import type { ByteArray } from "./bytes.js";
import type { Chunk } from "./chunk.js";
import { unpackChunks } from "./chunk-records.js";
import { createAsyncCutter } from "./cutter/create.js";
import type { AsyncCutter } from "./cutter/types.js";
import { calling } from "./errors.js";
import { CHUNKER_KEYS, type ChunkerOptions, checkedOptions } from "./options.js";
import { resolveProfile } from "./profile.js";
import type { HashAlgorithm } from "./types.js";

/**
 * Finds and hashes the chunks of an input, with the platform's hashes where they are faster. The code that
 * returns the chunks to the caller counts them, not this. Await each call before the next one, and do not
 * change `piece` until then.
 */
export class Finder {
  readonly #cutter: AsyncCutter;
  readonly hash: HashAlgorithm;

  constructor(options: ChunkerOptions | undefined) {
    const { profile, offset } = checkedOptions(options, CHUNKER_KEYS);
    const resolved = resolveProfile(profile);
    this.#cutter = createAsyncCutter(resolved, offset);
    this.hash = resolved.hash;
  }

  async feed(piece: ByteArray): Promise<Chunk[]> {
    return unpackChunks(await calling(() => this.#cutter.feed(piece)));
  }

  async finish(): Promise<Chunk[]> {
    return unpackChunks(await calling(() => this.#cutter.finish()));
  }

  release(): void {
    this.#cutter.free();
  }
}
