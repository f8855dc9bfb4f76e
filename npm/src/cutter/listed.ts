import type { Chunk } from "../chunk.js";
import { packChunks } from "../chunk-records.js";
import type { Cutter } from "./types.js";

/** Cuts an input where a list of chunks says, whatever its bytes; returns the digests of the list. */
export class ListedCutter implements Cutter {
  readonly #chunks: readonly Chunk[];
  #next = 0;
  #position = 0;

  constructor(chunks: readonly Chunk[]) {
    this.#chunks = chunks;
  }

  feed(piece: Uint8Array): Uint8Array {
    this.#position += piece.length;
    const first = this.#next;
    for (;;) {
      const chunk = this.#chunks[this.#next];
      if (chunk === undefined || chunk.offset + chunk.length > this.#position) break;
      this.#next++;
    }
    return packChunks(this.#chunks.slice(first, this.#next));
  }

  finish(): Uint8Array {
    return new Uint8Array(0);
  }

  free(): void {}
}
