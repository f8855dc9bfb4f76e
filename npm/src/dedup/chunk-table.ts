import type { ByteArray } from "../bytes.js";
import { ChunkRecords } from "../chunk-records.js";
import { DigestTable } from "./digest-table.js";

/** Whether a server has a chunk: unknown or missing, known from before, or sent by us. */
export type Place = "absent" | "known" | "sent";

/** The chunks of a file in order, in 75 to 150 bytes per chunk. */
export class ChunkTable {
  readonly #records = new ChunkRecords();
  readonly #digests = new DigestTable((index) => this.#records.digest(index));
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
    const first = this.#digests.add(digest);
    this.#bytes[first] = this.bytesOf(first) + length;
    return { index, first };
  }

  /** Returns the first chunk with this digest. */
  find(digest: Uint8Array): number | undefined {
    return this.#digests.find(digest);
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
