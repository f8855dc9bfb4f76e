import { ByteQueue } from "../byte-queue.js";
import type { ByteArray } from "../bytes.js";
import type { ByteSource } from "../index.js";
import { pieces } from "../source.js";

/** Bytes to allocate at a time: a buffer for each small chunk would burden the garbage collector. */
const SLAB = 1024 * 1024;
/** Shorter pieces of a stream are copied, longer ones kept as they are. */
const LONG = 32 * 1024;

/** The bytes read from a source and not taken yet: those of the chunk being cut, and after it. */
export class ReadBytes {
  readonly #queue = new ByteQueue();
  /** The unused rest of the buffer for copies. */
  #slab: ByteArray = new Uint8Array(0);

  /** Yields the pieces of `source`, and keeps their bytes. */
  async *keeping(
    source: ByteSource,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    // The pieces of a Node stream are never overwritten; other sources may reuse a buffer.
    const isStream = typeof (source as { pipe?: unknown }).pipe === "function";
    for await (const piece of pieces(source, signal)) {
      const { length, buffer } = piece;
      const isKept = isStream && length >= LONG && buffer.byteLength <= SLAB;
      if (isKept) this.#queue.push(piece);
      else this.#copy(piece);
      yield piece;
    }
  }

  #copy(piece: ByteArray): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#slab.length === 0) this.#slab = new Uint8Array(SLAB);
      const part = piece.subarray(at, at + this.#slab.length);
      this.#slab.set(part);
      this.#queue.push(this.#slab.subarray(0, part.length));
      this.#slab = this.#slab.subarray(part.length);
      at += part.length;
    }
  }

  /** Returns the next `length` bytes. */
  take(length: number): readonly ByteArray[] {
    return this.#queue.take(length);
  }
}
