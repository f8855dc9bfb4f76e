import { lengthsOf, setDigest } from "../chunk-records.js";
import type { RunningDigest } from "./sha256.js";
import type { Cutter } from "./types.js";

/** Limit for the bytes to hold back before they go to the digest. */
const HELD = 1024;

/** Hashes the chunks that another cutter finds, as their bytes arrive. */
export class HashingCutter implements Cutter {
  readonly #cutter: Cutter;
  readonly #begin: () => RunningDigest;
  #digest: RunningDigest;
  /** Bytes of the current chunk that the digest has seen. */
  #seen = 0;
  /** Bytes it has not seen: small pieces, and always the last byte, since a cut may lie one back. */
  readonly #held = new Uint8Array(HELD);
  #heldLength = 0;

  constructor(cutter: Cutter, begin: () => RunningDigest) {
    this.#cutter = cutter;
    this.#begin = begin;
    this.#digest = begin();
  }

  feed(piece: Uint8Array): Uint8Array {
    const records = this.#cutter.feed(piece);
    let rest = this.#hash(records, piece);
    const unseen = this.#heldLength + rest.length;
    if (unseen > HELD) rest = this.#update(rest, unseen - 1);
    this.#held.set(rest, this.#heldLength);
    this.#heldLength += rest.length;
    return records;
  }

  finish(): Uint8Array {
    const records = this.#cutter.finish();
    this.#hash(records, new Uint8Array(0));
    return records;
  }

  free(): void {
    this.#cutter.free();
    this.#digest.free?.();
  }

  /** Fills in the digests of `records`, and returns what follows their chunks in `piece`. */
  #hash(records: Uint8Array, piece: Uint8Array): Uint8Array {
    let rest = piece;
    lengthsOf(records).forEach((length, index) => {
      rest = this.#update(rest, length - this.#seen);
      setDigest(records, index, this.#digest.digest());
      this.#digest.free?.();
      this.#digest = this.#begin();
      this.#seen = 0;
    });
    return rest;
  }

  /** Adds `length` bytes to the digest: held ones first, then from `piece`; returns the rest of it. */
  #update(piece: Uint8Array, length: number): Uint8Array {
    const held = Math.min(length, this.#heldLength);
    if (held > 0) {
      this.#digest.update(this.#held.subarray(0, held));
      this.#held.copyWithin(0, held, this.#heldLength);
      this.#heldLength -= held;
    }
    const fresh = piece.subarray(0, length - held);
    if (fresh.length > 0) this.#digest.update(fresh);
    this.#seen += length;
    return piece.subarray(fresh.length);
  }
}
