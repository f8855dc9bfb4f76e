import { checkedOptions } from "../options.js";
import { ready } from "../ready.js";
import { PooledChunker } from "./pooled-chunker.js";
import { count, spawnLoaded } from "./thread.js";
import { Workers } from "./workers.js";

/** Options of a {@link ChunkerPool}. */
export interface PoolOptions {
  /** Largest number of workers: 1 to 64. Default: one per core, but at most 4. */
  workers?: number | undefined;
}

/**
 * Workers that cut and hash one input together. They find the same chunks as `chunks` of
 * `chunker-cdc`, but a large input takes a fraction of the time, and the calling thread stays free.
 *
 * ```ts
 * await using pool = new ChunkerPool();
 * for await (const chunk of pool.chunks(file)) console.log(chunk.offset, chunk.length, chunk.hashHex);
 * ```
 *
 * Workers start when first needed and stay until the pool is closed. Idle workers do not keep Node
 * alive.
 */
export class ChunkerPool extends PooledChunker {
  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(options?: PoolOptions) {
    const { workers } = checkedOptions(options, ["workers"]);
    const wanted = count("workers", workers);
    super(new Workers(wanted, spawnLoaded), wanted, ready);
  }
}
