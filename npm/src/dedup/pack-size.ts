/** Packs start at half of the limit, but not above this. */
const MOST_AT_FIRST = 8 * 1024 * 1024;
const SMALLEST_BYTES = 256 * 1024;
/** A pack that took less time was too small for the link: the request cost more than the bytes. */
const SHORT_MS = 400;
/** A pack that took longer is too large to lose. */
const LONG_MS = 2_000;

/** Adapts the size of packs to the speed of the link. */
export class PackSize {
  readonly #first: number;
  #target: number;
  #most: number;

  /** @param most Bytes that no pack may exceed. */
  constructor(most: number) {
    this.#most = most;
    this.#first = Math.min(MOST_AT_FIRST, most / 2);
    this.#target = this.#first;
  }

  get target(): number {
    return this.#target;
  }

  /** Lowers the limit to `bytes`, if it is higher. */
  limit(bytes: number): void {
    this.#most = Math.min(this.#most, bytes);
    this.#target = Math.min(this.#target, this.#most);
  }

  /** Reports that a pack of `bytes` was accepted after `ms`. */
  taken(bytes: number, ms: number): void {
    // After losses, the round trip alone may take longer than a pack should.
    const short = this.#target < this.#first ? LONG_MS / 2 : SHORT_MS;
    // Packs that started before the last change say nothing about it.
    if (ms < short && bytes > this.#target / 2) this.#set(2 * this.#target);
    else if (ms > LONG_MS && bytes <= this.#target) this.#set(this.#target / 2);
  }

  /** Reports that a pack of `bytes` was lost in transit. */
  lost(bytes: number): void {
    if (bytes <= this.#target) this.#set(this.#target / 2);
  }

  /** Reports that a proxy refuses packs of `bytes`. */
  refused(bytes: number): void {
    this.#most = Math.min(this.#most, bytes / 2);
    this.#target = Math.min(this.#target, this.#most);
  }

  #set(target: number): void {
    this.#target = Math.min(Math.max(target, SMALLEST_BYTES), this.#most);
  }
}
