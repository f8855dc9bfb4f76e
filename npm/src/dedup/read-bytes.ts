import type { ByteSource } from "../index.js";
import { pieces } from "../source.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that are allocated at once: one buffer for each small chunk would be work for the collector. */
const SLAB = 1024 * 1024;
/** A piece of a stream is kept as it is from this length on, and copied below. */
const LONG = 32 * 1024;

/** The bytes of a source since the chunk that is being cut, as they were read. */
export class ReadBytes {
  /** Bytes that were read and not taken, in order. */
  readonly #parts: Bytes[] = [];
  /** What is copied goes here. */
  #slab: Bytes = new Uint8Array(0);

  /** Yields the pieces of `source`, which are kept. */
  async *keeping(
    source: ByteSource,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    // Its pieces wait in queues, so nobody writes over them; other sources may reuse a buffer.
    const isStream = typeof (source as { pipe?: unknown }).pipe === "function";
    for await (const piece of pieces(source, signal)) {
      const { length, buffer } = piece;
      const isKept = isStream && length >= LONG && buffer.byteLength <= SLAB;
      if (isKept) this.#parts.push(piece);
      else this.#copy(piece);
      yield piece;
    }
  }

  #copy(piece: Bytes): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#slab.length === 0) this.#slab = new Uint8Array(SLAB);
      const part = piece.subarray(at, at + this.#slab.length);
      this.#slab.set(part);
      this.#append(this.#slab.subarray(0, part.length));
      this.#slab = this.#slab.subarray(part.length);
      at += part.length;
    }
  }

  /** Appends a part; one that follows the last one in its buffer becomes a part of it. */
  #append(part: Bytes): void {
    const last = this.#parts.at(-1);
    if (last?.buffer !== part.buffer || last.byteOffset + last.length !== part.byteOffset) {
      this.#parts.push(part);
      return;
    }
    const { buffer, byteOffset, length } = last;
    this.#parts[this.#parts.length - 1] = new Uint8Array(buffer, byteOffset, length + part.length);
  }

  /** Returns the next `length` bytes. */
  take(length: number): readonly Bytes[] {
    const taken: Bytes[] = [];
    for (let left = length; left > 0; ) {
      const first = this.#parts[0] as Bytes;
      const part = first.subarray(0, left);
      taken.push(part);
      left -= part.length;
      if (part.length === first.length) this.#parts.shift();
      else this.#parts[0] = first.subarray(part.length);
    }
    return taken;
  }
}

/** Returns the bytes of `parts` in a buffer of their own. */
export function joined(parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
