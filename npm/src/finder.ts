import { type Bytes, bytesOf } from "./bytes.js";
import { type Chunk, unpackChunks } from "./chunk.js";
import { Owned } from "./disposable.js";
import { calling } from "./errors.js";
import type { PushChunker } from "./glue.js";
import { core } from "./load.js";
import {
  CHUNKER_KEYS,
  type ChunkerOptions,
  checkedOptions,
  type HashAlgorithm,
  hashOf,
} from "./options.js";

/** What a `Chunker` does, uncounted: whoever hands the chunks to the caller counts them. */
export class Finder {
  readonly #owned: Owned<PushChunker>;
  readonly hash: HashAlgorithm;

  constructor(options: ChunkerOptions | undefined) {
    const { minSize, avgSize, maxSize, hash, offset } = checkedOptions(options, CHUNKER_KEYS);
    const { PushChunker } = core();
    this.#owned = new Owned(
      calling(() => new PushChunker(minSize, avgSize, maxSize, hash, offset)),
    );
    this.hash = hashOf(hash);
  }

  feed(piece: Bytes): Chunk[] {
    const handle = this.#owned.get();
    const bytes = bytesOf(piece, "piece");
    return unpackChunks(calling(() => handle.feed(bytes)));
  }

  finish(): Chunk[] {
    const handle = this.#owned.get();
    try {
      return unpackChunks(calling(() => handle.finish()));
    } finally {
      this.release();
    }
  }

  release(): void {
    this.#owned.release();
  }
}
