import { ByteQueue } from "../byte-queue.js";
import type { ByteArray } from "../bytes.js";
import type { Chunk } from "../index.js";
import { DedupError } from "./error.js";

/** The bytes of consecutive chunks, in pieces of any length. */
export type Pieces = readonly ByteArray[];

/** Consecutive chunks of those requested from the server, verified. */
export interface Arrival {
  readonly chunks: readonly Chunk[];
  readonly pieces: Pieces;
}

/** Hands out arrived chunks, as many at a time as the consumer can use. */
export class Arrivals {
  readonly #arriving: AsyncGenerator<Arrival, void, undefined>;
  #chunks: readonly Chunk[] = [];
  /** Index in `#chunks` of the next chunk, whose bytes come first in `#queue`. */
  #next = 0;
  readonly #queue = new ByteQueue();

  constructor(arriving: AsyncGenerator<Arrival, void, undefined>) {
    this.#arriving = arriving;
  }

  /**
   * Returns the next chunk, together with those after it that have arrived, as long as `goesOn` accepts. It is
   * called with the number of chunks and bytes so far.
   */
  async take(
    goesOn: (count: number, bytes: number) => boolean,
  ): Promise<{ readonly count: number; readonly pieces: Pieces }> {
    if (this.#next === this.#chunks.length) {
      const { done, value } = await this.#arriving.next();
      if (done) {
        const message = "the server sent fewer chunks than it announced";
        throw new DedupError("protocol_error", message);
      }
      this.#chunks = value.chunks;
      this.#next = 0;
      for (const piece of value.pieces) this.#queue.push(piece);
    }
    let [count, bytes] = [0, 0];
    do {
      bytes += this.#chunks[this.#next]?.length ?? 0;
      count += 1;
      this.#next += 1;
    } while (this.#next < this.#chunks.length && goesOn(count, bytes));
    return { count, pieces: this.#queue.take(bytes) };
  }

  /** Lets the last answer end after its last chunk, so that its connection is kept. */
  async finish(): Promise<void> {
    await this.#arriving.next();
  }

  async end(): Promise<void> {
    await this.#arriving.return();
  }
}
