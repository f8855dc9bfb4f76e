import { lengthsOf, setDigest } from "../chunk.js";
import type { RunningDigest } from "./sha256.js";
import type { Cutter } from "./types.js";

/** Bytes that are held until a digest gets them at once. */
const HELD = 1024;

/** Hashes what another cutter finds while it is read. */
export class HashingCutter implements Cutter {
  readonly #cutter: Cutter;
  readonly #begin: () => RunningDigest;
  #digest: RunningDigest;
  /** Bytes of the chunk that the digest has seen. */
  #seen = 0;
  /** Those that it has not: small pieces, and at least the last byte, as a cut may lie one back. */
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

  /** Writes the digests of the chunks in `records`, and returns what is behind them in `piece`. */
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

  /** Adds `length` bytes to the digest, the held ones and then of `piece`; returns its rest. */
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
