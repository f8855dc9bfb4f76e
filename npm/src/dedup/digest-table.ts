import { isEqual } from "../bytes.js";
import type { Chunk } from "../index.js";
import { DIGEST_BYTES } from "./wire.js";

/**
 * A hash table with linear probing: numbers digests in the order they are added, and finds the first one equal to a given
 * digest.
 */
export class DigestTable {
  readonly #digestOf: (index: number) => Uint8Array;
  /** Random odd factors, so that nobody can prepare digests that collide. */
  readonly #factors = [randomOdd(), randomOdd()] as const;
  /** The first index of each digest, plus 1; 0 is a free slot. */
  #slots: Uint32Array;
  #used = 0;
  #count = 0;

  /**
   * @param digestOf Returns the digest that has this index.
   * @param capacity Digests to have room for.
   */
  constructor(digestOf: (index: number) => Uint8Array, capacity = 1024) {
    this.#digestOf = digestOf;
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * capacity + 2)));
  }

  /** Adds a digest, which gets the next index; returns the index of the first one equal to it, which may be its own. */
  add(digest: Uint8Array): number {
    const index = this.#count;
    this.#count += 1;
    const slot = this.#slotOf(digest);
    const taken = this.#slots[slot] ?? 0;
    if (taken > 0) return taken - 1;
    this.#slots[slot] = index + 1;
    this.#used += 1;
    if (2 * this.#used > this.#slots.length) this.#grow();
    return index;
  }

  /** Returns the index of the first digest equal to this one. */
  find(digest: Uint8Array): number | undefined {
    const taken = this.#slots[this.#slotOf(digest)] ?? 0;
    return taken === 0 ? undefined : taken - 1;
  }

  #grow(): void {
    const smaller = this.#slots;
    this.#slots = new Uint32Array(4 * smaller.length);
    for (const taken of smaller) {
      if (taken !== 0) this.#slots[this.#slotOf(this.#digestOf(taken - 1))] = taken;
    }
  }

  /** Returns the slot of a digest, or the free one where it belongs. */
  #slotOf(digest: Uint8Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#hashOf(digest) & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot] ?? 0;
      if (taken === 0 || isEqual(this.#digestOf(taken - 1), digest)) return slot;
    }
  }

  #hashOf(digest: Uint8Array): number {
    const [first, second] = this.#factors;
    let hash = 0;
    for (let at = 0; at < DIGEST_BYTES; at += 4) {
      const low = (digest[at] ?? 0) | ((digest[at + 1] ?? 0) << 8);
      const high = (digest[at + 2] ?? 0) | ((digest[at + 3] ?? 0) << 8);
      hash = Math.imul(hash ^ low ^ (high << 16), first);
      hash = Math.imul(hash ^ (hash >>> 15), second);
      hash ^= hash >>> 15;
    }
    return hash;
  }
}

/** Returns an empty table for the digests of `chunks`. */
export function tableFor(chunks: readonly Chunk[]): DigestTable {
  return new DigestTable((index) => (chunks[index] as Chunk).hash, chunks.length);
}

function randomOdd(): number {
  return Math.floor(Math.random() * 2 ** 32) | 1;
}
