/// <reference lib="esnext.disposable" preserve="true" />
import { type Bytes, isBytes } from "../bytes.js";
import type { Chunk } from "../chunk.js";
import { Chunker } from "../chunker.js";
import { ChunkerError, counted } from "../errors.js";
import { handedOut } from "../metrics.js";
import { addon, startThreads, type Threads } from "../native.js";
import { checkedReadOptions, type ReadOptions } from "../options.js";
import { Piping } from "../piping.js";
import { resolveProfile } from "../profile.js";
import { ready } from "../ready.js";
import { aborted, type ByteSource, lengthOf, throwIfAborted } from "../source.js";
import { inputOf, isForWorkers } from "./input.js";
import { Job } from "./job.js";
import { planOf } from "./plan.js";
import type { Seats } from "./seats.js";

/** What cuts and hashes inputs by workers, of whichever kind, or by threads of the native addon. */
export abstract class Workforce {
  readonly #seats: Seats;
  readonly #count: number;
  readonly #load: () => Promise<unknown>;
  readonly #jobs = new Set<Job | Piping>();
  /** Those of the addon, started when they are first needed. */
  #threads: Threads | undefined;
  #closing: Promise<void> | undefined;

  /** @param load Resolves when workers can be started. */
  protected constructor(seats: Seats, count: number, load: () => Promise<unknown>) {
    this.#seats = seats;
    this.#count = count;
    this.#load = load;
  }

  /** Returns the chunks of `data`: do not change it meanwhile. Its bytes are copied to the workers. */
  async chunk(data: Bytes | string | URL, options?: ReadOptions): Promise<Chunk[]> {
    const all: Chunk[] = [];
    for await (const chunk of this.chunks(data, options)) all.push(chunk);
    return all;
  }

  /**
   * Yields the chunks of `source` in order. Workers read a `Blob` or `File` themselves; the bytes of
   * other sources are copied to them. Workers stay some segments ahead of the loop and no more; of a
   * stream a segment for each worker is held.
   *
   * @throws {ChunkerError} As `chunks` of `chunker-cdc`, `worker_failed` when a worker ends or cannot
   * be started, `chunker_closed` after {@link close}. Errors of the source pass through. Leaving
   * the loop cancels the source.
   */
  async *chunks(source: ByteSource, options?: ReadOptions): AsyncGenerator<Chunk, void, undefined> {
    const { signal, onProgress, profile, offset } = checkedReadOptions(options);
    throwIfAborted(signal);
    this.#throwIfClosed();
    await ready();
    const resolved = resolveProfile(profile);
    const { id, hash } = resolved;
    this.#throwIfClosed();
    const native = addon();
    if (native !== undefined) {
      this.#threads ??= startThreads(native, this.#count);
      const piping = new Piping(native, this.#threads, source, id, offset, { signal, onProgress });
      this.#jobs.add(piping);
      try {
        for await (const found of piping.chunks()) yield* handedOut(hash, found);
      } catch (error) {
        throw counted(error);
      } finally {
        this.#jobs.delete(piping);
      }
      return;
    }
    await this.#load();
    // A wrong offset fails here, not in a worker.
    new Chunker({ profile: id, offset })[Symbol.dispose]();
    const totalBytes = lengthOf(source);
    const divided = isBytes(source) || isForWorkers(source) ? totalBytes : undefined;
    const plan = planOf(resolved, this.#seats.limit, divided);
    this.#throwIfClosed();
    const reading = new AbortController();
    const input = inputOf(source, plan.held, reading.signal, () => job.advance());
    const job = new Job(this.#seats, input, { profile: id, offset }, plan);
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
        yield* handedOut(hash, found);
        throwIfAborted(signal);
      }
    } catch (error) {
      throw counted(error);
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
    this.#threads?.free();
    await this.#seats.close(error);
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw counted(closedError());
  }
}

function closedError(): ChunkerError {
  return new ChunkerError("chunker_closed", "used after close()");
}
