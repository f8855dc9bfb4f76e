// `chunker-cdc/threads`: the chunks of one input, cut and hashed by threads that share a memory.

export { ThreadedChunker, type ThreadsOptions } from "./threaded-chunker.js";
