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
import { planOf } from "./plan.js";
import { Segments } from "./segments.js";
import type { Workers } from "./workers.js";

/** Cuts and hashes inputs on several workers, or on threads of the native addon. */
export abstract class PooledChunker {
  readonly #workers: Workers;
  readonly #count: number;
  readonly #load: () => Promise<unknown>;
  readonly #running = new Set<Segments | Piping>();
  /** Threads of the addon, started when first needed. */
  #threads: Threads | undefined;
  #closing: Promise<void> | undefined;

  /** @param load Loads what workers need to start. */
  protected constructor(workers: Workers, count: number, load: () => Promise<unknown>) {
    this.#workers = workers;
    this.#count = count;
    this.#load = load;
  }

  /** Returns the chunks of `data`, which must not change meanwhile. Its bytes are copied to the workers. */
  async chunk(data: Bytes | string | URL, options?: ReadOptions): Promise<Chunk[]> {
    const all: Chunk[] = [];
    for await (const chunk of this.chunks(data, options)) all.push(chunk);
    return all;
  }

  /**
   * Yields the chunks of `source` in order. Workers read a `Blob` or `File` themselves; other sources
   * are copied to them. Workers run at most a few segments ahead of the loop, and one segment per
   * worker of a stream is kept in memory.
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
      this.#running.add(piping);
      try {
        for await (const found of piping.chunks()) {
          for (const chunk of handedOut(hash, found)) yield chunk;
        }
      } catch (error) {
        throw counted(error);
      } finally {
        this.#running.delete(piping);
      }
      return;
    }
    await this.#load();
    // An invalid offset fails here, not in a worker.
    new Chunker({ profile: id, offset })[Symbol.dispose]();
    const totalBytes = lengthOf(source);
    const divided = isBytes(source) || isForWorkers(source) ? totalBytes : undefined;
    const plan = planOf(resolved, this.#workers.limit, divided);
    this.#throwIfClosed();
    const reading = new AbortController();
    const input = inputOf(source, plan.held, reading.signal, () => segments.advance());
    const segments = new Segments(this.#workers, input, { profile: id, offset }, plan);
    const onAbort = () => {
      reading.abort(signal?.reason);
      segments.fail(aborted(signal as AbortSignal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    this.#running.add(segments);
    try {
      for (let bytesRead = 0; ; ) {
        const found = await segments.next();
        if (found === undefined) return;
        if (segments.position > bytesRead) {
          bytesRead = segments.position;
          onProgress?.(totalBytes === undefined ? { bytesRead } : { bytesRead, totalBytes });
        }
        for (const chunk of handedOut(hash, found)) yield chunk;
        throwIfAborted(signal);
      }
    } catch (error) {
      throw counted(error);
    } finally {
      this.#running.delete(segments);
      signal?.removeEventListener("abort", onAbort);
      segments.stop();
      reading.abort();
    }
  }

  /** Stops the workers; calls in progress fail with `chunker_closed`. May be called at any time. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    const error = closedError();
    for (const segments of this.#running) segments.fail(error);
    this.#threads?.free();
    await this.#workers.close(error);
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw counted(closedError());
  }
}

function closedError(): ChunkerError {
  return new ChunkerError("chunker_closed", "the pool was already closed");
}
