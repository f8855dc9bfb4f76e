// The native addon, which only Node has. What it shares with the WebAssembly modules is called through
// their loaders; what only it has is declared here.

import { type ChunkerErrorCode, calling } from "./errors.js";

/** Threads of the addon, shared by pipelines. */
export interface Threads {
  free(): void;
}

/** Finds chunks on threads (`napi/src/pipeline.rs`). */
export interface Pipeline {
  /** Appends a copy of `piece`; returns whether there is room for another. */
  push(piece: Uint8Array): boolean;
  /**
   * Resolves when there is room for another piece or no more is wanted; resolves with `false` if there
   * will be none before chunks are taken.
   */
  room(): Promise<boolean>;
  /** Ends the input after the pieces pushed so far. */
  end(): void;
  /** Ends it there too, but the pipeline fails after the chunks that end before. */
  fail(): void;
  /** Resolves with the records of the next chunks, with `null` after the last, or with why there are no more. */
  next(): Promise<Uint8Array | PipelineFailure | null>;
  free(): void;
}

/** Why a pipeline ended before its input did. */
export interface PipelineFailure {
  code: ChunkerErrorCode;
  message: string;
}

/** What the addon has and the modules do not. */
export interface Addon {
  version(): string;
  /** Returns the name of the instruction set that finds cuts. */
  kernel(): string;
  /** Resolves with the number of chunks before the first one that does not match its digest. */
  countIntact(
    hash: string,
    parts: readonly Uint8Array[],
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

/** Sets the loaded addon, and how many threads can run at once. */
export function setAddon(addon: Addon, parallelism: number): void {
  loaded = addon;
  cores = parallelism;
}

/** Uses WebAssembly from now on; what was made by the addon keeps working. */
export function dropAddon(): void {
  loaded = undefined;
}

/** Returns the addon, if this instance of the package uses one. */
export function addon(): Addon | undefined {
  return loaded;
}

/** @throws {ChunkerError} `io_error` if the system has no threads left. */
export function startThreads({ Threads }: Addon, count: number): Threads {
  return calling(() => new Threads(count));
}

/**
 * Returns the threads for callers without their own: one per core, but at most 4.
 *
 * @throws {ChunkerError} As {@link startThreads}.
 */
export function sharedThreads(addon: Addon): Threads {
  shared ??= startThreads(addon, Math.min(4, cores));
  return shared;
}
