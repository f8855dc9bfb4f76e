const FIRST_BYTES = 4 * 1024 * 1024;
const SMALLEST_BYTES = 256 * 1024;
/** A pack that took less time was too small for the link: requests cost more than their bytes. */
const SHORT_MS = 400;
/** One that took more is more than one likes to lose. */
const LONG_MS = 2_000;

/** How many bytes go into a pack, as the link takes them. */
export class PackSize {
  #target = FIRST_BYTES;
  #most = Number.POSITIVE_INFINITY;

  /** @param most What no pack is to exceed, in bytes. */
  constructor(most: number) {
    this.limit(most);
  }

  get target(): number {
    return this.#target;
  }

  /** No pack is to exceed `bytes`, besides what was said before. */
  limit(bytes: number): void {
    this.#most = Math.min(this.#most, bytes);
    this.#target = Math.min(this.#target, this.#most);
  }

  /** A pack of `bytes` was taken after `ms`. */
  taken(bytes: number, ms: number): void {
    // After losses, a round trip of its own may take longer than a pack should.
    const short = this.#target < FIRST_BYTES ? LONG_MS / 2 : SHORT_MS;
    // Packs that were begun before the last change say nothing about it.
    if (ms < short && bytes > this.#target / 2) this.#set(2 * this.#target);
    else if (ms > LONG_MS && bytes <= this.#target) this.#set(this.#target / 2);
  }

  /** A pack of `bytes` was lost on its way. */
  lost(bytes: number): void {
    if (bytes <= this.#target) this.#set(this.#target / 2);
  }

  /** Something on the way takes no packs of `bytes`. */
  refused(bytes: number): void {
    this.#most = Math.min(this.#most, bytes / 2);
    this.#target = Math.min(this.#target, this.#most);
  }

  #set(target: number): void {
    this.#target = Math.min(Math.max(target, SMALLEST_BYTES), this.#most);
  }
}
