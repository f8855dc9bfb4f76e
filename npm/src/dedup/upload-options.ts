// What an upload takes, tells and returns.

import type { Manifest, ProfileInput } from "../index.js";
import type { ChunkerPool } from "../pool/index.js";
import type { RetryOptions } from "./retry.js";
import type { Transport } from "./transport.js";

/** How chunks may be encoded on their way. */
export type ChunkEncoding = "zstd";

/** What uploads of one queue have in common. */
export interface CommonUploadOptions {
  /** The way to the server. */
  readonly transport: Transport;
  /** What decides the chunks; uploads share chunks only when it is the same. Default: `large`. */
  readonly profile?: ProfileInput | undefined;
  /**
   * Chunks a `Blob` or buffer of 4 MiB or more by this pool; reads a second time only those chunks
   * that the server lacks. Default: all is done by the calling thread.
   */
  readonly pool?: ChunkerPool | undefined;
  /** Packs sent at the same time. Default 4. */
  readonly concurrency?: number | undefined;
  /**
   * Bytes of chunks between reading and their arrival, at the same time; reading waits beyond it. Default
   * 64 MiB. Twice as many are held if a file repeats much of itself; of buffers, and in pages of Blobs,
   * none, as they are read again. With `compression` the compressed form of the packs being sent comes on
   * top.
   */
  readonly maxBytesInFlight?: number | undefined;
  /**
   * Sends the first packs without asking whether the server has their chunks, which saves a round trip.
   * The answers say whether later ones wait. Default: `false`.
   */
  readonly assumeNew?: boolean | undefined;
  /**
   * Sends chunks compressed if they become smaller. Loads `chunker-cdc/codecs` when the first chunk is
   * sent; where that cannot be loaded chunks are sent as they are. Compresses on the calling thread: in
   * a page, upload from a worker. Default: chunks are sent as they are.
   */
  readonly compression?: ChunkEncoding | undefined;
  /** From the fastest, 1, to the smallest, 19. Default: zstd's own, 3. */
  readonly compressionLevel?: number | undefined;
  readonly retry?: RetryOptions | undefined;
}

/** How {@link upload} works. */
export interface UploadOptions extends CommonUploadOptions {
  /** The announced size of a stream, in bytes; a `Blob` or buffer has its own. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
  /** Called for each change of a chunk's state. */
  readonly onChunk?: ((event: ChunkEvent) => void) | undefined;
}

/** Where an upload stands. */
export interface UploadProgress {
  /** The size of the source, if it is known. */
  readonly totalBytes: number | undefined;
  /** Bytes from the start of the source that are chunked. */
  readonly bytesRead: number;
  /**
   * Bytes of the source that the server is known to have. When these are all, the manifest is committed.
   * It falls only if the server loses what it had.
   */
  readonly bytesDone: number;
  /** Bytes of packs that have left and are not answered yet, as far as the transport tells. */
  readonly bytesInTransit: number;
  /** Bytes of chunks the server took in this upload. */
  readonly bytesSent: number;
  /** Bytes of the encoded chunks in `bytesSent`: fewer if they were compressed. */
  readonly bytesOnWire: number;
  /** Bytes that were not sent because the server had them or the file repeats them. */
  readonly bytesSaved: number;
  readonly chunks: number;
  /** Chunks the server took in this upload. */
  readonly newChunks: number;
  /** Chunks in `bytesSaved`. */
  readonly savedChunks: number;
  /** Requests of this upload that failed and were sent again. */
  readonly retries: number;
}

/** A finished upload. */
export interface UploadResult extends UploadProgress {
  /**
   * The name of the file: the hash algorithm and the digest of its manifest, `sha256-…`. It is what
   * {@link download} takes.
   */
  readonly root: string;
  readonly manifest: Manifest;
}

/**
 * - `found`: cut and hashed, the server is being asked;
 * - `duplicate`: the same as an earlier chunk of this source;
 * - `known`: the server had it;
 * - `sending`, `sent`.
 */
export type ChunkState = "found" | "duplicate" | "known" | "sending" | "sent";

/** A chunk entered a state. */
export interface ChunkEvent {
  /** The chunk's number in the source, from 0. */
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  /** 64 lowercase hexadecimal digits. */
  readonly digest: string;
  readonly state: ChunkState;
}
