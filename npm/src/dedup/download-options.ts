import { checkedOptions, checkInteger } from "../options.js";
import type { LocalSource } from "./local.js";
import type { RetryOptions } from "./retry.js";
import type { Transport } from "./transport.js";
import type { ChunkEncoding } from "./upload-options.js";

/** Options of {@link download}. */
export interface DownloadOptions {
  /** The connection to the server. */
  readonly transport: Transport;
  /** The part of the file to download, in bytes. Default: all of it. */
  readonly range?: ByteRange | undefined;
  /**
   * A local file with some of the same content, such as an older version. Chunks found in it are not
   * fetched. The file is chunked first, and its bytes are read when they are needed. In Node, it may be a
   * path.
   */
  readonly reuse?: LocalSource | undefined;
  /**
   * Lets the server send chunks compressed, as it stores them. Loads `chunker-cdc/codecs`; if
   * that fails, chunks arrive uncompressed.
   */
  readonly compression?: ChunkEncoding | undefined;
  /**
   * Limit for held chunks, in bytes: a chunk that the file repeats is held until its last use, or fetched
   * again beyond the limit. Writing to a file holds none. Default: 32 MiB.
   */
  readonly maxBytesHeld?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retry?: RetryOptions | undefined;
  /** The largest manifest accepted, in bytes. Default: 64 MiB. */
  readonly maxManifestBytes?: number | undefined;
}

/** A part of a file. */
export interface ByteRange {
  /** The first byte. Default: 0. */
  readonly start?: number | undefined;
  /** The byte after the last one. Default, and at most: the end of the file. */
  readonly end?: number | undefined;
}

/** Progress of a download. */
export interface DownloadProgress {
  /** Bytes of the file, or of the range; `undefined` until the manifest has arrived. */
  readonly totalBytes: number | undefined;
  /** Verified bytes returned to the caller or written. */
  readonly bytesReceived: number;
  /** Chunks from the server as sent, in bytes: fewer if compressed. */
  readonly bytesOnWire: number;
  /** Part of `bytesReceived` not fetched, because the local file had it or the file repeats it. */
  readonly bytesReused: number;
  /** Chunks in `bytesReceived`, each counted with its last byte. */
  readonly chunks: number;
  readonly retries: number;
}

export const DOWNLOAD_KEYS = [
  "transport",
  "range",
  "reuse",
  "compression",
  "maxBytesHeld",
  "signal",
  "onProgress",
  "retry",
  "maxManifestBytes",
] as const;
export const DEFAULT_MAX_BYTES_HELD = 32 * 1024 * 1024;
export const DEFAULT_MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

export function checkRange(range: ByteRange | undefined): void {
  const { start = 0, end = Number.MAX_SAFE_INTEGER } = checkedOptions(range, ["start", "end"]);
  for (const [name, place] of Object.entries({ start, end })) {
    checkInteger(`range.${name}`, place, 0);
  }
}
