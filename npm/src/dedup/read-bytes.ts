import { ByteQueue, SLAB } from "../byte-queue.js";
import type { ByteArray } from "../bytes.js";
import type { ByteSource } from "../index.js";
import { pieces } from "../source.js";

/** Shorter pieces of a stream are copied, longer ones kept as they are. */
const LONG = 32 * 1024;

/** The bytes read from a source and not taken yet: those of the chunk being cut, and after it. */
export class ReadBytes {
  readonly #queue = new ByteQueue();

  /** Yields the pieces of `source`, and keeps their bytes. */
  async *keeping(
    source: ByteSource,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    // The pieces of a Node stream are never overwritten; other sources may reuse a buffer.
    const isStream = typeof (source as { pipe?: unknown } | undefined)?.pipe === "function";
    for await (const piece of pieces(source, signal)) {
      const { length, buffer } = piece;
      const isKept = isStream && length >= LONG && buffer.byteLength <= SLAB;
      if (isKept) this.#queue.push(piece);
      else this.#queue.pushCopy(piece);
      yield piece;
    }
  }

  /** Returns the next `length` bytes. */
  take(length: number): readonly ByteArray[] {
    return this.#queue.take(length);
  }
}
