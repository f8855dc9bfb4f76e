// What concurrent uploads share.

import { checkInteger } from "../options.js";
import { Budget } from "./budget.js";
import { platform } from "./platform.js";
import { orReason } from "./retry.js";
import type { CommonUploadOptions } from "./upload-options.js";

const DEFAULT_MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024;

/** What concurrent uploads share. */
export interface Supplies {
  /** Limit for packs that are sent at the same time. */
  readonly concurrency: number;
  /** Bytes of chunks that were read and have not arrived. */
  readonly bytes: Budget;
  /**
   * Turns to send packs. A pack takes two: it gives one back when it is sent, and the other when it is answered. So
   * while packs wait for answers, others are sent, but fewer than twice the limit are on their way.
   */
  readonly turns: Budget;
  /** Bytes of packs without an answer. */
  readonly unanswered: Budget;
}

/**
 * Returns the supplies that options allow.
 *
 * @throws {ChunkerError} `invalid_argument`.
 */
export function suppliesOf(
  options: Pick<CommonUploadOptions, "concurrency" | "maxBytesInFlight">,
): Supplies {
  const { maxBytesInFlight = DEFAULT_MAX_BYTES_IN_FLIGHT } = options;
  const { concurrency = platform().concurrency } = options;
  checkInteger("maxBytesInFlight", maxBytesInFlight, 1);
  checkInteger("concurrency", concurrency, 1);
  return {
    concurrency,
    bytes: new Budget(maxBytesInFlight),
    turns: new Budget(2 * concurrency),
    unanswered: new Budget(concurrency * largestPack(maxBytesInFlight, concurrency)),
  };
}

/** Returns the limit for the bytes of a pack: one is prepared while others are sent. */
export function largestPack(maxBytesInFlight: number, concurrency: number): number {
  return Math.max(1, Math.floor(maxBytesInFlight / (concurrency + 1)));
}

/** What an upload holds of the supply of bytes, for chunks that it has read. */
export class ReadShare {
  readonly #bytes: Budget;
  #held = 0;
  #isResting = false;
  #isOver = false;

  constructor({ bytes }: Supplies) {
    this.#bytes = bytes;
  }

  /** Takes `length` bytes if they are free now; returns whether it did. */
  tryTake(length: number): boolean {
    if (!this.#bytes.tryTake(length)) return false;
    this.#hold(length);
    return true;
  }

  /** Takes `length` bytes as soon as they are free; rejects if `signal` aborts. */
  async take(length: number, signal: AbortSignal): Promise<void> {
    await orReason(this.#bytes.take(length), signal, () => this.#bytes.give(length));
    this.#hold(length);
  }

  #hold(length: number): void {
    if (!this.#isOver) this.#held += length;
    if (this.#isOver || this.#isResting) this.#bytes.give(length);
  }

  /** Gives `length` bytes back. */
  give(length: number): void {
    if (this.#isOver) return;
    this.#held -= length;
    if (!this.#isResting) this.#bytes.give(length);
  }

  /** The upload is paused, and keeps no chunks in memory: leaves everything to other uploads. */
  rest(): void {
    this.#isResting = true;
    this.#bytes.give(this.#held);
  }

  /** Takes everything again at once, even if it is not free. */
  resume(): void {
    if (this.#isResting) this.#bytes.exceed(this.#held);
    this.#isResting = false;
  }

  /** The upload has ended. */
  end(): void {
    if (!this.#isResting) this.#bytes.give(this.#held);
    this.#held = 0;
    this.#isOver = true;
  }
}

/** The order of packs that are sent again: before all that have not been sent. */
const AGAIN = -1;

/** What a pack holds of the supplies: turns, and its bytes. */
export class PackShare {
  readonly #supplies: Supplies;
  #size: number;
  #turns = 0;
  #bytes = 0;
  /** The wait for what it lacks. */
  #taking: Promise<void> | undefined;
  #isRepeated = false;
  #isResting = false;
  #isOver = false;

  constructor(supplies: Supplies, size: number) {
    this.#supplies = supplies;
    this.#size = size;
  }

  /** Waits until the pack may be sent. After {@link rest}, it may resolve while the pack still {@link lacks} something. */
  async take(): Promise<void> {
    this.#isResting = false;
    do {
      this.#taking ??= this.#takeAll().finally(() => {
        this.#taking = undefined;
      });
      await this.#taking;
    } while (this.lacks && !this.#mayNotHold);
  }

  /** Whether it has to {@link take} something before the pack may be sent. */
  get lacks(): boolean {
    return this.#bytes < this.#size || this.#turns < 2;
  }

  /**
   * Takes bytes before turns. A pack that has its turn must not wait for bytes: packs that are sent again hold theirs
   * while they wait for a turn.
   */
  async #takeAll(): Promise<void> {
    const { unanswered, turns } = this.#supplies;
    const order = this.#isRepeated ? AGAIN : 0;
    const bytes = this.#size - this.#bytes;
    if (bytes > 0 && !this.#mayNotHold) {
      await unanswered.take(bytes, order);
      this.#bytes += bytes;
    }
    const lacking = 2 - this.#turns;
    if (lacking > 0 && !this.#mayNotHold) {
      await turns.take(lacking, order);
      this.#turns += lacking;
    }
    // A rest in between has given the bytes back: a pack must not hold turns while it waits for bytes.
    if (this.#mayNotHold || this.#bytes < this.#size) this.#giveAll();
    else this.#isRepeated = true;
  }

  get #mayNotHold(): boolean {
    return this.#isOver || this.#isResting;
  }

  /** The size of the pack, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Grows the pack to `size` bytes, if that much is free; never shrinks it. */
  grow(size: number): void {
    const more = size - this.#size;
    if (more > 0 && this.#supplies.unanswered.tryTake(more)) {
      this.#bytes += more;
      this.#size = size;
    }
  }

  /** Corrects the size of the pack. */
  setSize(size: number): void {
    const { unanswered } = this.#supplies;
    if (size > this.#size) unanswered.exceed(size - this.#size);
    else unanswered.give(this.#size - size);
    this.#bytes += size - this.#size;
    this.#size = size;
  }

  /** The pack is sent, and not answered yet. */
  sent(): void {
    if (this.#turns === 2) this.#giveTurns(1);
  }

  /** The upload is paused: leaves everything to other uploads until {@link take}. */
  rest(): void {
    this.#isResting = true;
    this.#giveAll();
  }

  /** The pack is answered, or given up. */
  end(): void {
    this.#isOver = true;
    this.#giveAll();
  }

  #giveAll(): void {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#giveTurns(this.#turns);
    this.#supplies.unanswered.give(bytes);
  }

  #giveTurns(turns: number): void {
    this.#turns -= turns;
    this.#supplies.turns.give(turns);
  }
}
