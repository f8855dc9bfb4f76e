// The part of the native addon for servers: `napi/src/store.rs` and `napi/src/protocol.rs`.

import { Buffer } from "node:buffer";
import { native, unavailable } from "../../addon.node.js";
import type { ByteArray } from "../../bytes.js";
import { failureOf } from "../../errors.js";
import type { Usage } from "../transport.js";
import { StoreError } from "./error.js";
import type { CheckReport, CollectReport } from "./reports.js";

/** A pull stream. */
export interface Pulled<T> {
  next(): Promise<T>;
  /** Ends it, even during a pull. */
  free(): void;
}

/** Bytes in pieces: `next` resolves with the length of the next one, `null` at the end. */
export interface Pieces extends Pulled<number | null> {
  /** Copies this piece to the start of `into`. */
  take(into: Buffer): void;
}

/** A file in a list; `committed` in milliseconds since 1970. */
export interface ListedFile {
  readonly root: string;
  readonly length?: number | null;
  readonly committed: number;
}

export interface StoreHandle {
  url(): string;
  usage(): Promise<Usage>;
  /** An empty list marks the end. */
  files(): Promise<Pulled<ListedFile[]>>;
  delete(root: string): Promise<boolean>;
  read(root: string, start: number | undefined, end: number | undefined): Promise<Pieces>;
  collect(options: object, stop: Stop): Promise<CollectReport>;
  check(options: object, stop: Stop): Promise<CheckReport>;
}

/** Stops long-running work. */
export interface Stop {
  now(): void;
}

export interface Answer {
  status(): number;
  /** Names and values in turn; once. */
  headers(): string[];
  /** Once. */
  body(): Uint8Array | Pieces | null;
  committed(): { readonly root: string; readonly length: number; readonly new: boolean } | null;
  /** What went wrong in the store, if the client is told less; once. */
  cause(): { readonly code: string; readonly message: string } | null;
}

/** A request in progress. */
export interface Exchange {
  /** Resolves with whether it needs a body, once it is ready to take it. */
  started(): Promise<boolean>;
  /** Appends a copy of a piece of the body; returns whether there is room for another. */
  push(piece: Uint8Array): boolean;
  /** Resolves when there is room for more, or with `false` if no more is wanted. */
  room(): Promise<boolean>;
  /** Ends the body. */
  end(): void;
  /** Once. */
  answer(): Promise<Answer>;
  /** Abandons the request. A write whose body was complete may still happen. */
  free(): void;
}

/** A request with a well-formed head. */
export interface Request {
  operation(): string;
  writes(): boolean;
  root(): string | null;
  bodyLength(): number;
  start(store: StoreHandle): Exchange;
}

export interface Engine {
  begin(method: string, target: string, headers: readonly string[]): Request | Answer;
  /** Without a message, uses the engine's for this code. */
  refuse(
    method: string,
    target: string,
    headers: readonly string[],
    status: number,
    code: string,
    message: string | undefined,
  ): Answer;
}

interface ServerAddon {
  readonly Store: { open(address: string, options: object): Promise<StoreHandle> };
  readonly Engine: new (options: object) => Engine;
  readonly Stop: new () => Stop;
}

/**
 * Returns the part of the addon for servers.
 *
 * @throws {ChunkerError} `native_unavailable` in a process without an addon.
 */
export function serverAddon(): ServerAddon {
  if (native === undefined) throw unavailable();
  return native as unknown as ServerAddon;
}

/** Calls `call`, and turns errors of the addon into errors of this package. */
export async function asked<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw storeFailureOf(error);
  }
}

/**
 * Returns the next piece, `null` at the end.
 *
 * @param room A buffer for it, used if the piece fits.
 */
export function nextPiece(pieces: Pieces, room?: ArrayBuffer): Promise<ByteArray | null> {
  return asked(async () => {
    const length = await pieces.next();
    if (length === null) return null;
    const fits = room !== undefined && length <= room.byteLength;
    const into = fits ? Buffer.from(room) : Buffer.allocUnsafeSlow(length);
    pieces.take(into);
    return new Uint8Array(into.buffer, 0, length) as ByteArray;
  });
}

/** Returns an error of the addon as a `ChunkerError` or a {@link StoreError}, and any other unchanged. */
export function storeFailureOf(error: unknown): unknown {
  const failure = failureOf(error);
  if (failure !== error || !(error instanceof Error) || !("code" in error)) return failure;
  return new StoreError(String(error.code), error.message);
}
