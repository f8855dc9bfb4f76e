// The native addon, where there is one: only Node has it. Its classes and functions that the WebAssembly
// modules have too are called through their loaders; the others, declared here, by whoever can use them.

import { type ChunkerErrorCode, calling } from "./errors.js";

/** Threads of the addon, that pipelines share. */
export interface Threads {
  free(): void;
}

/** Finds chunks by threads (`napi/src/pipeline.rs`). */
export interface Pipeline {
  /** Appends a copy of `piece`, and returns whether there is room for another one. */
  push(piece: Uint8Array): boolean;
  /**
   * Resolves when there is room for another piece, or no more is wanted; with `false` when there is none
   * before chunks are taken.
   */
  room(): Promise<boolean>;
  /** Ends the input after the pieces that were pushed. */
  end(): void;
  /** Ends it there too, but lets the pipeline fail after the chunks that end before. */
  fail(): void;
  /** Resolves with the records of the next chunks, or with how it ended. */
  next(): Promise<Uint8Array | PipelineEnd>;
  free(): void;
}

/** An error, if not all chunks were found. */
export interface PipelineEnd {
  code?: ChunkerErrorCode;
  message?: string;
}

/** What the addon has and the modules lack. */
export interface Addon {
  version(): string;
  /** The name of the instruction set that finds cuts. */
  kernel(): string;
  /** Resolves with the number of chunks that have their digests, up to the first one that has not. */
  countIntact(
    hash: string,
    bytes: Uint8Array,
    lengths: Uint32Array,
    digests: Uint8Array,
  ): Promise<number>;
  Threads: new (count: number) => Threads;
  Pipeline: {
    new (threads: Threads, profile: string, offset: number | undefined): Pipeline;
    open(threads: Threads, path: string, profile: string, offset: number | undefined): Pipeline;
  };
}

let loaded: Addon | undefined;
let cores = 1;
let shared: Threads | undefined;

/** Says what was loaded, and how many threads can work at once. */
export function setAddon(addon: Addon, parallelism: number): void {
  loaded = addon;
  cores = parallelism;
}

/** The addon, if this instance of the package uses one. */
export function addon(): Addon | undefined {
  return loaded;
}

/** @throws {ChunkerError} `io_error` when the system has no threads left. */
export function startThreads({ Threads }: Addon, count: number): Threads {
  return calling(() => new Threads(count));
}

/**
 * The threads of those who have none of their own: one for each core, but at most 4.
 *
 * @throws {ChunkerError} As {@link startThreads}.
 */
export function sharedThreads(addon: Addon): Threads {
  shared ??= startThreads(addon, Math.min(4, cores));
  return shared;
}
