// What is different in pages and in Node. The entry files say it.

import type { ByteSource } from "../index.js";
import type { Exchange } from "./exchange.js";
import type { Sink } from "./sink.js";

export interface Platform {
  /** How requests go where no `fetch` was given. */
  readonly exchange: Exchange;
  /** Whether the platform sends Blobs faster than bytes. */
  readonly blobs: boolean;
  /** Whether requests go by `fetch`, which refuses some ports. */
  readonly byFetch: boolean;
  /** Returns the file at `path`, to be read. */
  readonly readFile?: (path: string) => Promise<LocalFile>;
  /** The same if it can be read again and again: not a pipe, not a device. */
  readonly readAgain?: (path: string) => Promise<LocalFile | undefined>;
  /** Returns a new file that gets the name `path` when it is whole. */
  readonly writeFile?: (path: string) => Promise<Sink>;
}

/** A file of this machine. */
export interface LocalFile {
  /** What all its bytes can be read from. */
  source(): ByteSource;
  /** Returns the bytes there, fewer at the end. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

let current: Platform | undefined;

/** The first one that is set counts. */
export function setPlatform(platform: Platform): void {
  current ??= platform;
}

export function platform(): Platform {
  if (current === undefined) throw new Error("no entry file of the package was imported");
  return current;
}
