// Options, progress and results of uploads.

import type { Manifest, ProfileInput } from "../index.js";
import type { ChunkerPool } from "../pool/index.js";
import type { RetryOptions } from "./retry.js";
import type { Transport } from "./transport.js";

/** How chunks may be encoded in transit. */
export type ChunkEncoding = "zstd";

/** Options that the uploads of a queue share. */
export interface CommonUploadOptions {
  /** The connection to the server. */
  readonly transport: Transport;
  /** Determines the chunks. Only files uploaded with the same profile share chunks. Default: `large`. */
  readonly profile?: ProfileInput | undefined;
  /**
   * Chunks a `Blob` or buffer of 4 MiB or more on this pool, and reads only the chunks that the server lacks
   * a second time. Default: the calling thread does all the work.
   */
  readonly pool?: ChunkerPool | undefined;
  /**
   * Largest number of packs being sent at once. Including those that wait for an answer, fewer than twice as
   * many are in flight. Default: 6 in Node, and 3 in browsers, which open at most six HTTP/1.1 connections to
   * a server.
   */
  readonly concurrency?: number | undefined;
  /**
   * Limit for chunks that were read and have not arrived, in bytes; reading pauses at it. Default: 64 MiB. A
   * file that repeats much of itself may take twice as much. Buffers, Blobs in pages and files given by path do
   * not count until they are sent, because they can be read again: while none of their chunks is missing,
   * reading runs up to 16,384 chunks ahead of the answers. With `compression`, the compressed packs being sent are held as
   * well.
   */
  readonly maxBytesInFlight?: number | undefined;
  /**
   * Sends the first packs without asking whether the server has their chunks, which saves a round trip.
   * Whether later packs wait depends on the answers. Default: `false`.
   */
  readonly assumeNew?: boolean | undefined;
  /**
   * Compresses chunks that get smaller. Loads `chunker-cdc/codecs` when the first chunk is sent; if that
   * fails, chunks are sent uncompressed. Compresses on the calling thread: in a page, upload from a worker.
   * Default: no compression.
   */
  readonly compression?: ChunkEncoding | undefined;
  /** 1 (fastest) to 19 (smallest). Default: 3, as in zstd. */
  readonly compressionLevel?: number | undefined;
  readonly retry?: RetryOptions | undefined;
}

/** Options of {@link upload}. */
export interface UploadOptions extends CommonUploadOptions {
  /** The announced size of a stream, in bytes; a `Blob` or buffer has its own. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
  /** Called for each change of a chunk's state. */
  readonly onChunk?: ((event: ChunkEvent) => void) | undefined;
}

/** Progress of an upload. */
export interface UploadProgress {
  /** The size of the source, if it is known: that of a stream without `size` only once it is read. */
  readonly totalBytes: number | undefined;
  /** Bytes chunked so far, from the start of the source. */
  readonly bytesRead: number;
  /**
   * Bytes of the source that the server is known to have. When they equal `totalBytes`, only the commit can remain.
   * Decreases only if the server loses chunks.
   */
  readonly bytesDone: number;
  /** Bytes of packs that were sent and not answered yet, if the transport reports them. */
  readonly bytesInTransit: number;
  /** Bytes of chunks that the server accepted in this upload. */
  readonly bytesSent: number;
  /** The chunks in `bytesSent` as sent, in bytes: fewer if compressed. */
  readonly bytesOnWire: number;
  /** Bytes not sent, because the server had them or the file repeats them. */
  readonly bytesSaved: number;
  readonly chunks: number;
  /** Chunks that the server accepted in this upload. */
  readonly newChunks: number;
  /** Chunks in `bytesSaved`. */
  readonly savedChunks: number;
  /** Requests of this upload that failed and were sent again. */
  readonly retries: number;
}

/** A finished upload. */
export interface UploadResult extends UploadProgress {
  /**
   * The name of the file: the hash algorithm and the digest of its manifest, `sha256-…`. Pass it to
   * {@link download}.
   */
  readonly root: string;
  readonly manifest: Manifest;
}

/**
 * - `found`: cut and hashed; the server is being asked;
 * - `duplicate`: the same as an earlier chunk of this source;
 * - `known`: the server had it;
 * - `sending`, `sent`.
 */
export type ChunkState = "found" | "duplicate" | "known" | "sending" | "sent";

/** The change of a chunk's state. */
export interface ChunkEvent {
  /** The chunk's number in the source, from 0. */
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  /** 64 lowercase hexadecimal digits. */
  readonly digest: string;
  readonly state: ChunkState;
}
