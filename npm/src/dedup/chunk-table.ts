import { type ByteArray, isEqual } from "../bytes.js";
import { ChunkRecords } from "../chunk-records.js";

/** Whether a server has a chunk: unknown or missing, known from before, or sent by us. */
export type Place = "absent" | "known" | "sent";

/** The chunks of a file in order, in 75 to 150 bytes per chunk. */
export class ChunkTable {
  readonly #records = new ChunkRecords();
  /** The first chunk of each digest, plus 1, in a hash table with linear probing; 0 is a free slot. */
  #slots = new Uint32Array(2048);
  #used = 0;
  /** For each first chunk, the bytes of all chunks equal to it; 0 for the others. */
  readonly #bytes: number[] = [];
  readonly #places: Place[] = [];
  #length = 0;

  get count(): number {
    return this.#records.count;
  }

  /** Bytes of all chunks. */
  get length(): number {
    return this.#length;
  }

  /** The chunks, as a manifest takes them; valid until the next is added. */
  get records(): ByteArray {
    return this.#records.bytes;
  }

  /** Appends a chunk; returns the first one equal to it, which may be itself. */
  add(digest: Uint8Array, length: number): { readonly index: number; readonly first: number } {
    const index = this.count;
    this.#records.add(digest, this.#length, length);
    this.#length += length;
    this.#places.push("absent");
    this.#bytes.push(0);
    const slot = this.#slotOf(digest);
    const first = (this.#slots[slot] || index + 1) - 1;
    this.#bytes[first] = this.bytesOf(first) + length;
    if (first === index) {
      this.#slots[slot] = index + 1;
      this.#used += 1;
      if (2 * this.#used > this.#slots.length) this.#grow();
    }
    return { index, first };
  }

  /** Returns the first chunk with this digest. */
  find(digest: Uint8Array): number | undefined {
    const taken = this.#slots[this.#slotOf(digest)] ?? 0;
    return taken === 0 ? undefined : taken - 1;
  }

  #grow(): void {
    const smaller = this.#slots;
    this.#slots = new Uint32Array(4 * smaller.length);
    for (const taken of smaller) {
      if (taken !== 0) this.#slots[this.#slotOf(this.digest(taken - 1))] = taken;
    }
  }

  /** Returns the slot of a digest, or the free one where it belongs. */
  #slotOf(digest: Uint8Array): number {
    const mask = this.#slots.length - 1;
    // Any part of a digest is as good as a hash of it.
    const { 0: a = 0, 1: b = 0, 2: c = 0, 3: d = 0 } = digest;
    let slot = (a | (b << 8) | (c << 16) | (d << 24)) & mask;
    for (;;) {
      const taken = this.#slots[slot] ?? 0;
      if (taken === 0 || isEqual(this.digest(taken - 1), digest)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  digest(index: number): ByteArray {
    return this.#records.digest(index);
  }

  lengthOf(index: number): number {
    return this.#records.length(index);
  }

  offsetOf(index: number): number {
    return this.#records.offset(index);
  }

  /** Bytes of the chunk `index`, the first of its digest, and of all that are equal to it. */
  bytesOf(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  /** Returns the place of the chunk `index`, the first of its digest. */
  place(index: number): Place {
    return this.#places[index] ?? "absent";
  }

  setPlace(index: number, place: Place): void {
    this.#places[index] = place;
  }
}
