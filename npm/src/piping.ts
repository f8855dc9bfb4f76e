// Chunks found on the addon's threads.

import type { Chunk } from "./chunk.js";
import { unpackChunks } from "./chunk-records.js";
import { ChunkerError, calling } from "./errors.js";
import { isFile, pathOf } from "./file.js";
import type { Addon, Pipeline, Threads } from "./native.js";
import type { SourceOptions } from "./options.js";
import { aborted, type ByteSource, lengthOf, pieces, throwIfAborted } from "./source.js";

/** One source on its way through a pipeline. Threads read files themselves; other sources are copied to them. */
export class Piping {
  readonly #pipeline: Pipeline;
  readonly #source: ByteSource;
  readonly #base: number;
  readonly #options: SourceOptions;
  readonly #isFile: boolean;
  /** Aborted once no more of the source is wanted. */
  readonly #reading = new AbortController();
  #feeding: Promise<void> | undefined;
  /** How often chunks were taken. */
  #takes = 0;
  /** Called when chunks are taken or the work ends. */
  #wake: (() => void) | undefined;
  #ended = false;
  /** The error that ended the source early; thrown after the chunks before it. */
  #sourceFailure: { error: unknown } | undefined;
  /** The error that stopped the work. */
  #failure: { error: unknown } | undefined;

  /** @throws {ChunkerError} As the constructor of a chunker, and `io_error` if there are no threads. */
  constructor(
    { Pipeline }: Addon,
    threads: Threads,
    source: ByteSource,
    profile: string,
    offset: number | undefined,
    options: SourceOptions,
  ) {
    this.#source = source;
    this.#base = offset ?? 0;
    this.#options = options;
    this.#isFile = isFile(source);
    this.#pipeline = calling(() =>
      isFile(source)
        ? Pipeline.open(threads, pathOf(source), profile, offset)
        : new Pipeline(threads, profile, offset),
    );
  }

  /** Yields the chunks in groups: each time all that are known. */
  async *chunks(): AsyncGenerator<Chunk[], void, undefined> {
    const { signal, onProgress } = this.#options;
    const onAbort = () => this.#stop({ error: aborted(signal as AbortSignal) }, signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      throwIfAborted(signal);
      if (!this.#isFile) this.#feeding = this.#feed();
      for (;;) {
        const step = await this.#pipeline.next();
        this.#throwIfFailed();
        if (!ArrayBuffer.isView(step)) {
          if (this.#sourceFailure !== undefined) throw this.#sourceFailure.error;
          if (step === null) return;
          throw new ChunkerError(step.code, step.message);
        }
        this.#takes++;
        this.#wake?.();
        const found = unpackChunks(step);
        const last = found.at(-1);
        if (this.#isFile && last !== undefined) {
          onProgress?.({ bytesRead: last.offset - this.#base + last.length });
        }
        yield found;
        this.#throwIfFailed();
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#stop(undefined, undefined);
      await this.#feeding;
    }
  }

  /** Stops with an error; chunks that were not taken are lost. */
  fail(error: unknown): void {
    this.#stop({ error }, undefined);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #stop(failure: { error: unknown } | undefined, reason: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#reading.abort(reason);
    this.#pipeline.free();
    this.#wake?.();
  }

  /** Pushes the source as room allows. */
  async #feed(): Promise<void> {
    try {
      const { onProgress } = this.#options;
      const totalBytes = lengthOf(this.#source);
      let bytesRead = 0;
      for await (const piece of pieces(this.#source, this.#reading.signal)) {
        const room = calling(() => this.#pipeline.push(piece));
        bytesRead += piece.length;
        onProgress?.(totalBytes === undefined ? { bytesRead } : { bytesRead, totalBytes });
        if (!room) await this.#room();
        if (this.#ended) return;
      }
      this.#pipeline.end();
    } catch (error) {
      this.#sourceFailure = { error };
      this.#pipeline.fail();
    }
  }

  async #room(): Promise<void> {
    while (!this.#ended) {
      const takes = this.#takes;
      if (await this.#pipeline.room()) return;
      if (takes !== this.#takes || this.#ended) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
