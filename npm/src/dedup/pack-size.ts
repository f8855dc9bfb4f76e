/** Packs start at half the limit, at most this many bytes. */
const MAX_FIRST_BYTES = 8 * 1024 * 1024;
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
    this.#first = this.#bounded(Math.min(MAX_FIRST_BYTES, Math.ceil(most / 2)));
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
    if (ms < short && bytes > this.#target / 2) this.#target = this.#bounded(2 * this.#target);
    else if (ms > LONG_MS) this.lost(bytes);
  }

  /** Reports that a pack of `bytes` was lost in transit, or took too long. */
  lost(bytes: number): void {
    if (bytes <= this.#target) this.#target = this.#bounded(this.#target / 2);
  }

  /** Reports that a proxy refuses packs of `bytes`. */
  refused(bytes: number): void {
    this.#most = Math.min(this.#most, bytes / 2);
    this.#target = Math.min(this.#target, this.#most);
  }

  #bounded(target: number): number {
    return Math.min(Math.max(target, SMALLEST_BYTES), this.#most);
  }
}
