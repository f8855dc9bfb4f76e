// Differences between pages and Node, which the entry files set.

import type { ByteArray } from "../bytes.js";
import type { ByteSource } from "../index.js";
import type { Exchange } from "./exchange.js";
import type { Sink } from "./sink.js";

export interface Platform {
  /** Sends requests if no `fetch` was passed. */
  readonly exchange: Exchange;
  /** Whether the platform sends Blobs faster than bytes. */
  readonly blobs: boolean;
  /** Whether requests use `fetch`, which refuses some ports. */
  readonly byFetch: boolean;
  /** Default number of packs that an upload sends at the same time. */
  readonly concurrency: number;
  /** Opens the file at `path` for reading. */
  readonly readFile?: (path: string) => Promise<LocalFile>;
  /** The same for a file that can be read more than once, or `undefined` for a pipe or a device. */
  readonly readAgain?: (path: string) => Promise<LocalFile | undefined>;
  /** Creates a file that gets the name `path` once it is complete. */
  readonly writeFile?: (path: string) => Promise<Sink>;
}

/** A local file. */
export interface LocalFile {
  /** Its length when it was opened, in bytes. */
  readonly size: number;
  /** Returns a source of all its bytes. */
  source(): ByteSource;
  /** Returns `length` bytes from `offset` on, fewer at the end of the file; in `room` if that is given. */
  read(offset: number, length: number, room?: ByteArray): Promise<ByteArray>;
  close(): Promise<void>;
}

let current: Platform | undefined;

/** Sets the platform. The first call wins. */
export function setPlatform(platform: Platform): void {
  current ??= platform;
}

export function platform(): Platform {
  if (current === undefined) throw new Error("no entry file of the package was imported");
  return current;
}
