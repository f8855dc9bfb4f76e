import type { ByteSource } from "../index.js";
import { pieces } from "../source.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that are allocated at once: one buffer for each small chunk would be work for the collector. */
const SLAB = 1024 * 1024;

/** The bytes of a source since the chunk that is being cut, as they were read. */
export class ReadBytes {
  readonly #slabs = new Map<number, Bytes>();
  #length = 0;

  /** Yields the pieces of `source`, which are kept. */
  async *keeping(
    source: ByteSource,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of pieces(source, signal)) {
      for (let at = 0; at < piece.length; ) {
        const number = Math.floor(this.#length / SLAB);
        const start = this.#length % SLAB;
        const slab = this.#slabs.get(number) ?? new Uint8Array(SLAB);
        if (start === 0) this.#slabs.set(number, slab);
        const part = piece.subarray(at, at + SLAB - start);
        slab.set(part, start);
        at += part.length;
        this.#length += part.length;
      }
      yield piece;
    }
  }

  /** Returns the bytes from `start` to `end`, and forgets all up to `end`. */
  take(start: number, end: number): readonly Bytes[] {
    const parts: Bytes[] = [];
    for (let at = start; at < end; ) {
      const number = Math.floor(at / SLAB);
      const first = at % SLAB;
      const length = Math.min(SLAB - first, end - at);
      parts.push((this.#slabs.get(number) as Bytes).subarray(first, first + length));
      at += length;
      if (at % SLAB === 0) this.#slabs.delete(number);
    }
    return parts;
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
