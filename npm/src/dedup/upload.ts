import type { ByteSource } from "../index.js";
import { ChunkerError } from "../index.js";
import type { Supplies } from "./supplies.js";
import { UploadJob } from "./upload-job.js";
import type { UploadOptions, UploadProgress, UploadResult } from "./upload-options.js";

/**
 * Uploads `source`, sending only the chunks that the server lacks, and commits its manifest. Resolves with the
 * name of exactly the bytes that it has read.
 *
 * Reading, asking and sending overlap. A file in a page, or one given by its path, is read once more where
 * chunks are missing. Memory is bounded by `maxBytesInFlight` (twice that if the source repeats much of itself),
 * one chunk, and about 150 bytes per chunk.
 *
 * An interrupted upload starts over: it reads the source again, and sends what the server still lacks.
 *
 * Rejects with a `ChunkerError` (`aborted`, `invalid_chunking_options`, …), a {@link DedupError}, or
 * whatever a stream or a callback threw.
 */
export async function upload(source: ByteSource, options: UploadOptions): Promise<UploadResult> {
  return new Upload(source, options).done;
}

/** The state of an {@link Upload}; only uploads of a queue are `waiting`. */
export type UploadState = "waiting" | "running" | "paused" | "done" | "failed" | "cancelled";

/**
 * An upload that can be paused. It starts immediately.
 *
 * ```ts
 * const upload = new Upload(file, { transport });
 * button.onclick = () => (upload.state === "paused" ? upload.resume() : upload.pause());
 * const { root } = await upload.done;
 * ```
 */
export class Upload {
  /** Settles as {@link upload} does; `cancel()` makes it reject with the `ChunkerError` `aborted`. */
  readonly done: Promise<UploadResult>;
  /** Dropped at the end: a queue keeps its uploads, but not their sources. */
  #job: UploadJob | undefined;
  #progress: UploadProgress;
  readonly #begin: () => void;
  #state: UploadState = "waiting";
  #isPaused = false;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(source: ByteSource, options: UploadOptions, queue?: QueuePlace) {
    const job = new UploadJob(source, options, queue?.supplies);
    this.#job = job;
    this.#progress = job.progress;
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    this.#begin = begin;
    this.done = begun.then(() => job.run());
    // Callers who care await it; a queue continues.
    this.done.then(
      () => this.#settle("done"),
      (error: { code?: unknown }) =>
        this.#settle(error?.code === "aborted" ? "cancelled" : "failed"),
    );
    if (queue === undefined) {
      this.start();
      return;
    }
    const { signal } = options;
    const onAbort = () => this.start();
    signal?.addEventListener("abort", onAbort, { once: true });
    const forget = () => signal?.removeEventListener("abort", onAbort);
    this.done.then(forget, forget);
  }

  get state(): UploadState {
    return this.#state === "running" && this.#isPaused ? "paused" : this.#state;
  }

  get progress(): UploadProgress {
    return this.#job?.progress ?? this.#progress;
  }

  /** @internal Of a queue: it is this upload's turn. */
  start(): void {
    if (this.#state === "waiting") this.#state = "running";
    this.#begin();
  }

  /**
   * Stops reading and sending. Requests in progress end within two seconds; other uploads of a queue can then send in
   * its place. Chunks of a stream stay in memory, and count towards `maxBytesInFlight`.
   */
  pause(): void {
    this.#isPaused = true;
    this.#job?.pause();
  }

  /** Continues after a pause. */
  resume(): void {
    this.#isPaused = false;
    this.#job?.resume();
  }

  /** Ends the upload. The next one skips what the server already has. */
  cancel(): void {
    if (this.#state === "done" || this.#state === "failed") return;
    this.#state = "cancelled";
    this.#job?.fail(new ChunkerError("aborted", "the upload was cancelled"));
    this.#begin();
  }

  #settle(state: UploadState): void {
    // An upload that is cancelled after its commit is done all the same.
    if (this.#state !== "cancelled" || state === "done") this.#state = state;
    this.#progress = { ...this.progress, bytesInTransit: 0 };
    this.#job = undefined;
  }
}

/** @internal What a queue passes to its uploads. */
export interface QueuePlace {
  readonly supplies: Supplies;
}
