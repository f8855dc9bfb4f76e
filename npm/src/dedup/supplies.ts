// What concurrent uploads share.

import { invalidArgument } from "../errors.js";
import { Budget } from "./budget.js";
import { platform } from "./platform.js";
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
  const bytes = positiveInteger(
    "maxBytesInFlight",
    options.maxBytesInFlight ?? DEFAULT_MAX_BYTES_IN_FLIGHT,
  );
  const concurrency = positiveInteger("concurrency", options.concurrency ?? platform().concurrency);
  return {
    concurrency,
    bytes: new Budget(bytes),
    turns: new Budget(2 * concurrency),
    unanswered: new Budget(concurrency * largestPack(bytes, concurrency)),
  };
}

/** Returns the limit for the bytes of a pack: one is prepared while others are sent. */
export function largestPack(maxBytesInFlight: number, concurrency: number): number {
  return Math.max(1, Math.floor(maxBytesInFlight / (concurrency + 1)));
}

/** The order of packs that are sent again: before all that have not been sent. */
const AGAIN = -1;

/** What a pack holds of the supplies. */
export class PackShare {
  readonly #supplies: Supplies;
  #turns = 0;
  #bytes = 0;
  /** The wait for turns. */
  #taking: Promise<void> | undefined;
  #isOver = false;

  constructor(supplies: Supplies) {
    this.#supplies = supplies;
  }

  /** Waits until a pack of this size may be on its way. */
  async takeBytes(bytes: number): Promise<void> {
    await this.#supplies.unanswered.take(bytes);
    this.#bytes += bytes;
    if (this.#isOver) this.end();
  }

  /** Replaces what {@link takeBytes} took by the actual size of the pack. */
  setBytes(bytes: number): void {
    const { unanswered } = this.#supplies;
    if (bytes > this.#bytes) unanswered.exceed(bytes - this.#bytes);
    else unanswered.give(this.#bytes - bytes);
    this.#bytes = bytes;
  }

  /**
   * Waits until the pack may be sent. A pack that has its turn must not wait for bytes: packs that are sent again hold
   * theirs while they wait for a turn.
   */
  takeTurn(): Promise<void> {
    this.#taking ??= this.#takeTurn().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #takeTurn(): Promise<void> {
    const lacking = 2 - this.#turns;
    if (lacking === 0 || this.#isOver) return;
    await this.#supplies.turns.take(lacking, this.#turns > 0 ? AGAIN : 0);
    this.#turns += lacking;
    if (this.#isOver) this.end();
  }

  /** The pack is sent, and not answered yet. */
  sent(): void {
    if (this.#turns === 2) this.#giveTurns(1);
  }

  /** The pack is answered, or given up. */
  end(): void {
    this.#isOver = true;
    this.#giveTurns(this.#turns);
    this.#supplies.unanswered.give(this.#bytes);
    this.#bytes = 0;
  }

  #giveTurns(turns: number): void {
    this.#turns -= turns;
    this.#supplies.turns.give(turns);
  }
}

export function positiveInteger(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw invalidArgument(`${name} is ${value} (expected a positive integer)`);
  }
  return value;
}
