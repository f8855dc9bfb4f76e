import type { ByteArray } from "./bytes.js";

/** Bytes to allocate at a time for copies: a buffer for each small part would burden the garbage collector. */
export const SLAB = 1024 * 1024;

/** Bytes in the order they came, in parts. */
export class ByteQueue {
  readonly #parts: ByteArray[] = [];
  #length = 0;
  /** The unused rest of the buffer for copies. */
  #slab: ByteArray = new Uint8Array(0);

  constructor(parts: readonly ByteArray[] = []) {
    for (const part of parts) this.push(part);
  }

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /** Appends a part without copying it. If it continues the last one in the same buffer, they become one. */
  push(part: ByteArray): void {
    this.#length += part.length;
    const last = this.#parts.at(-1);
    if (last?.buffer !== part.buffer || last.byteOffset + last.length !== part.byteOffset) {
      this.#parts.push(part);
      return;
    }
    const { buffer, byteOffset, length } = last;
    this.#parts[this.#parts.length - 1] = new Uint8Array(buffer, byteOffset, length + part.length);
  }

  /** Appends a copy of a part. Copies made one after another become one part. */
  pushCopy(part: ByteArray): void {
    for (let at = 0; at < part.length; ) {
      if (this.#slab.length === 0) this.#slab = new Uint8Array(SLAB);
      const piece = part.subarray(at, at + this.#slab.length);
      this.#slab.set(piece);
      this.push(this.#slab.subarray(0, piece.length));
      this.#slab = this.#slab.subarray(piece.length);
      at += piece.length;
    }
  }

  /** Removes the next `length` bytes, or all if there are fewer, and returns them. */
  take(length: number): readonly ByteArray[] {
    const taken: ByteArray[] = [];
    for (let left = Math.min(length, this.#length); left > 0; ) {
      const first = this.#parts[0] as ByteArray;
      const part = first.subarray(0, left);
      taken.push(part);
      left -= part.length;
      this.#length -= part.length;
      if (part.length === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(part.length);
    }
    return taken;
  }
}
