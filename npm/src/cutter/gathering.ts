import type { ByteArray } from "../bytes.js";
import { lengthsOf, setDigest } from "../chunk-records.js";
import { throwPlatformHashFailed } from "./digests.js";
import type { AsyncCutter, Cutter } from "./types.js";

type Bytes = ByteArray;

/** Gathers each chunk that another cutter finds, and hashes it in one call. */
export class GatheringCutter implements AsyncCutter {
  readonly #cutter: Cutter;
  readonly #digest: (bytes: Bytes) => Promise<ArrayBuffer>;
  /** The bytes since the last cut, with room for more. */
  #gathered: Bytes = new Uint8Array(0);
  #length = 0;

  /** @param digest Must copy the bytes before it returns. */
  constructor(cutter: Cutter, digest: (bytes: Bytes) => Promise<ArrayBuffer>) {
    this.#cutter = cutter;
    this.#digest = digest;
  }

  feed(piece: Uint8Array): Promise<Uint8Array> {
    return this.#hash(this.#cutter.feed(piece), piece as Bytes);
  }

  finish(): Promise<Uint8Array> {
    return this.#hash(this.#cutter.finish(), new Uint8Array(0));
  }

  free(): void {
    this.#cutter.free();
  }

  /** Fills in the digests of `records`, and gathers what follows their chunks in `piece`. */
  async #hash(records: Uint8Array, piece: Bytes): Promise<Uint8Array> {
    let rest = piece;
    const digests = lengthsOf(records).map((length) => {
      if (this.#length === 0) {
        const chunk = rest.subarray(0, length);
        rest = rest.subarray(length);
        return this.#digest(chunk);
      }
      const missing = Math.max(0, length - this.#length);
      this.#gather(rest.subarray(0, missing));
      rest = rest.subarray(missing);
      const digest = this.#digest(this.#gathered.subarray(0, length));
      // A cut may lie one byte before the end of what was gathered.
      this.#gathered.copyWithin(0, length, this.#length);
      this.#length -= length;
      return digest;
    });
    this.#gather(rest);
    const hashed = await Promise.all(digests).catch(throwPlatformHashFailed);
    for (const [index, digest] of hashed.entries()) {
      setDigest(records, index, new Uint8Array(digest));
    }
    return records;
  }

  #gather(bytes: Bytes): void {
    const length = this.#length + bytes.length;
    if (length > this.#gathered.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#gathered.length));
      larger.set(this.#gathered.subarray(0, this.#length));
      this.#gathered = larger;
    }
    this.#gathered.set(bytes, this.#length);
    this.#length = length;
  }
}
