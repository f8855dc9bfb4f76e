/// <reference lib="esnext.disposable" preserve="true" />
import { type Bytes, isBytes } from "../bytes.js";
import type { Chunk } from "../chunk.js";
import { Chunker, profileOf } from "../chunker.js";
import { ChunkerError, invalidArgument } from "../errors.js";
import { checkedOptions } from "../options.js";
import { ready } from "../ready.js";
import { aborted, type ByteSource, lengthOf, throwIfAborted } from "../source.js";
import { checkedReadOptions, type ReadOptions } from "../stream.js";
import { inputOf, isForWorkers } from "./input.js";
import { Job } from "./job.js";
import { planOf } from "./plan.js";
import { Seats } from "./seats.js";
import { cores } from "./thread.js";

/** Options of a {@link ChunkerPool}. */
export interface PoolOptions {
  /** How many workers at most. Default: one for each core, but at most 4. */
  workers?: number | undefined;
}

const MOST_WORKERS_BY_DEFAULT = 4;

/**
 * Workers that cut and hash. They find the same chunks as `chunks` of `chunker-wasm`, together: one
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
export class ChunkerPool {
  readonly #seats: Seats;
  readonly #jobs = new Set<Job>();
  #closing: Promise<void> | undefined;

  /** @throws {ChunkerError} `invalid_argument` */
  constructor(options?: PoolOptions) {
    const { workers = defaultWorkers() } = checkedOptions(options, ["workers"]);
    if (!Number.isSafeInteger(workers) || workers < 1) {
      throw invalidArgument("workers is not a positive integer");
    }
    this.#seats = new Seats(workers);
  }

  /** Returns the chunks of `data`: do not change it meanwhile. Its bytes are copied to the workers. */
  async chunk(data: Bytes, options?: ReadOptions): Promise<Chunk[]> {
    const all: Chunk[] = [];
    for await (const chunk of this.chunks(data, options)) all.push(chunk);
    return all;
  }

  /**
   * Yields the chunks of `source` in order. Workers read a `Blob` or `File` themselves; the bytes of
   * other sources are copied to them. Workers stay some segments ahead of the loop and no more; of a
   * stream a segment for each worker is held.
   *
   * @throws {ChunkerError} As `chunks` of `chunker-wasm`, `worker_failed` when a worker ends or cannot
   * be started, `chunker_closed` when the pool is closed. Errors of the source pass through. Leaving
   * the loop cancels the source.
   */
  async *chunks(source: ByteSource, options?: ReadOptions): AsyncGenerator<Chunk, void, undefined> {
    const { signal, onProgress, ...chunkerOptions } = checkedReadOptions(options);
    throwIfAborted(signal);
    this.#throwIfClosed();
    await ready();
    new Chunker(chunkerOptions)[Symbol.dispose]();
    const totalBytes = lengthOf(source);
    const { offset: _, ...chunking } = chunkerOptions;
    const divided = isBytes(source) || isForWorkers(source) ? totalBytes : undefined;
    const plan = planOf(profileOf(chunking), this.#seats.limit, divided);
    this.#throwIfClosed();
    const reading = new AbortController();
    const input = inputOf(source, plan.held, reading.signal, () => job.advance());
    const job = new Job(this.#seats, input, chunkerOptions, plan);
    const onAbort = () => {
      reading.abort(signal?.reason);
      job.fail(aborted(signal as AbortSignal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    this.#jobs.add(job);
    try {
      for (let bytesRead = 0; ; ) {
        const found = await job.next();
        if (found === undefined) return;
        if (job.position > bytesRead) {
          bytesRead = job.position;
          onProgress?.(totalBytes === undefined ? { bytesRead } : { bytesRead, totalBytes });
        }
        yield* found;
        throwIfAborted(signal);
      }
    } finally {
      this.#jobs.delete(job);
      signal?.removeEventListener("abort", onAbort);
      job.stop();
      reading.abort();
    }
  }

  /** Ends the workers; what is being cut fails with `chunker_closed`. May be called at any time. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    const error = closedError();
    for (const job of this.#jobs) job.fail(error);
    await this.#seats.close(error);
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}

function closedError(): ChunkerError {
  return new ChunkerError("chunker_closed", "the pool is closed");
}

function defaultWorkers(): number {
  return Math.min(MOST_WORKERS_BY_DEFAULT, cores());
}
