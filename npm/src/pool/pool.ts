import { checkedOptions } from "../options.js";
import { ready } from "../ready.js";
import { Seats } from "./seats.js";
import { count, spawnLoaded } from "./thread.js";
import { Workforce } from "./workforce.js";

/** Options of a {@link ChunkerPool}. */
export interface PoolOptions {
  /** How many workers at most, from 1 to 64. Default: one for each core, but at most 4. */
  workers?: number | undefined;
}

/**
 * Workers that cut and hash. They find the same chunks as `chunks` of `chunker-cdc`, together: one
 * large input takes a part of the time, and the calling thread is free meanwhile.
 *
 * ```ts
 * await using pool = new ChunkerPool();
 * for await (const chunk of pool.chunks(file)) console.log(chunk.offset, chunk.length, chunk.hashHex);
 * ```
 *
 * Workers are started when they are first needed, and wait for more until the pool is closed. Those
 * that wait do not keep Node alive.
 */
export class ChunkerPool extends Workforce {
  /** @throws {ChunkerError} `invalid_argument` */
  constructor(options?: PoolOptions) {
    const { workers } = checkedOptions(options, ["workers"]);
    const wanted = count("workers", workers);
    super(new Seats(wanted, spawnLoaded), wanted, ready);
  }
}
