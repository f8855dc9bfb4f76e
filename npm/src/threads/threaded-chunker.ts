import { ChunkerError, counted } from "../errors.js";
import { checkedOptions } from "../options.js";
import { PooledChunker } from "../pool/pooled-chunker.js";
import { Workers } from "../pool/workers.js";
import { compile, module } from "./load.js";
import { count, teamOf } from "./team.js";

/** Options of a {@link ThreadedChunker}. */
export interface ThreadsOptions {
  /** Number of threads: 1 to 64. Default: one per core, but at most 4. */
  threads?: number | undefined;
}

/**
 * A WebAssembly module with threads, which cut and hash one input together. It finds the same chunks as
 * `chunks` of `chunker-cdc`. The calling thread never blocks, so it may be that of a page.
 *
 * ```ts
 * await using chunker = new ThreadedChunker();
 * for await (const chunk of chunker.chunks(file)) console.log(chunk.offset, chunk.length, chunk.hashHex);
 * ```
 *
 * The threads are workers, started when they are first needed; they wait for more until the chunker is
 * closed. Those that wait do not keep Node alive. Their memory of at most 1 GiB has two windows of each
 * input: the one that is cut, and the next one. A window is 32 average chunks, but from 16 to 128 MiB,
 * and longer where there is no cut in that.
 */
export class ThreadedChunker extends PooledChunker {
  /**
   * @throws {ChunkerError} `threads_unavailable` where memory cannot be shared: in a page that is not
   * cross-origin isolated; or `invalid_argument`.
   */
  constructor(options?: ThreadsOptions) {
    const { threads } = checkedOptions(options, ["threads"]);
    const wanted = count("threads", threads);
    throwUnlessShareable();
    super(new Workers(1, teamOf(wanted, module)), wanted, compile);
  }
}

function throwUnlessShareable(): void {
  // Node has no origins.
  if (globalThis.crossOriginIsolated === false) {
    throw unavailable(
      "the page is not cross-origin isolated: serve it with the headers " +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
    );
  }
  if (typeof SharedArrayBuffer === "undefined") {
    throw unavailable("there is no SharedArrayBuffer");
  }
}

function unavailable(message: string): ChunkerError {
  return counted(new ChunkerError("threads_unavailable", message));
}
