// `chunker-cdc/pool`: the chunks of one input, cut and hashed by several workers.

export { ChunkerPool, type PoolOptions } from "./pool.js";
