import type { ByteArray } from "../bytes.js";
import type { ByteSource } from "../index.js";
import { pieces } from "../source.js";

/** Bytes to allocate at a time: a buffer for each small chunk would burden the garbage collector. */
const SLAB = 1024 * 1024;
/** Shorter pieces of a stream are copied, longer ones kept as they are. */
const LONG = 32 * 1024;

/** The bytes read from a source and not taken yet: those of the chunk being cut, and after it. */
export class ReadBytes {
  /** The bytes, in order. */
  readonly #parts: ByteArray[] = [];
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
      if (isKept) this.#parts.push(piece);
      else this.#copy(piece);
      yield piece;
    }
  }

  #copy(piece: ByteArray): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#slab.length === 0) this.#slab = new Uint8Array(SLAB);
      const part = piece.subarray(at, at + this.#slab.length);
      this.#slab.set(part);
      this.#append(this.#slab.subarray(0, part.length));
      this.#slab = this.#slab.subarray(part.length);
      at += part.length;
    }
  }

  /** Appends a part, or extends the last one if they are adjacent in one buffer. */
  #append(part: ByteArray): void {
    const last = this.#parts.at(-1);
    if (last?.buffer !== part.buffer || last.byteOffset + last.length !== part.byteOffset) {
      this.#parts.push(part);
      return;
    }
    const { buffer, byteOffset, length } = last;
    this.#parts[this.#parts.length - 1] = new Uint8Array(buffer, byteOffset, length + part.length);
  }

  /** Returns the next `length` bytes. */
  take(length: number): readonly ByteArray[] {
    const taken: ByteArray[] = [];
    for (let left = length; left > 0; ) {
      const first = this.#parts[0] as ByteArray;
      const part = first.subarray(0, left);
      taken.push(part);
      left -= part.length;
      if (part.length === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(part.length);
    }
    return taken;
  }
}
