import { DIGEST_BYTES } from "./wire.js";

/** Whether a server has a chunk: unknown or missing, known from before, or sent by us. */
export type Place = "absent" | "known" | "sent";

/** The chunks of a file in order, in about 150 bytes per chunk. */
export class ChunkTable {
  #digests = new Uint8Array(DIGEST_BYTES * 1024);
  readonly #lengths: number[] = [];
  readonly #offsets: number[] = [];
  /** The first chunk of each digest. */
  readonly #firsts = new Map<string, number>();
  /** For each first chunk, the bytes of all chunks equal to it; 0 for the others. */
  readonly #bytes: number[] = [];
  readonly #places: Place[] = [];
  #length = 0;

  get count(): number {
    return this.#lengths.length;
  }

  /** Bytes of all chunks. */
  get length(): number {
    return this.#length;
  }

  /** Appends a chunk; returns the first one equal to it, which may be itself. */
  add(digest: Uint8Array, length: number): { readonly index: number; readonly first: number } {
    const index = this.count;
    if (DIGEST_BYTES * (index + 1) > this.#digests.length) {
      const larger = new Uint8Array(2 * this.#digests.length);
      larger.set(this.#digests);
      this.#digests = larger;
    }
    this.#digests.set(digest, DIGEST_BYTES * index);
    this.#lengths.push(length);
    this.#offsets.push(this.#length);
    this.#length += length;
    const key = keyOf(digest);
    const first = this.#firsts.get(key) ?? index;
    if (first === index) this.#firsts.set(key, index);
    this.#places.push("absent");
    this.#bytes.push(0);
    this.#bytes[first] = this.bytesOf(first) + length;
    return { index, first };
  }

  /** Returns the first chunk with this digest. */
  find(digest: Uint8Array): number | undefined {
    return this.#firsts.get(keyOf(digest));
  }

  digest(index: number): Uint8Array {
    return this.#digests.subarray(DIGEST_BYTES * index, DIGEST_BYTES * (index + 1));
  }

  lengthOf(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  offsetOf(index: number): number {
    return this.#offsets[index] ?? 0;
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

  /** Yields the chunks, as a manifest expects them. */
  *[Symbol.iterator](): Generator<{ hash: Uint8Array; length: number }, void, undefined> {
    for (let index = 0; index < this.count; index += 1) {
      yield { hash: this.digest(index), length: this.lengthOf(index) };
    }
  }
}

/** Returns a digest as a text of 32 characters, half as long as its hexadecimal digits. */
export function keyOf(digest: Uint8Array): string {
  return String.fromCharCode.apply(null, digest as unknown as number[]);
}
