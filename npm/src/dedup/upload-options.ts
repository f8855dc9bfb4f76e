// What an upload takes, tells and returns.

import type { Manifest, ProfileInput } from "../index.js";
import type { ChunkerPool } from "../pool/index.js";
import type { ChunkEncoding } from "./protocol.js";
import type { ResumeStore } from "./resume.js";
import type { RetryOptions } from "./retry.js";
import type { Transport } from "./transport.js";

/** How `upload` works. */
export interface UploadOptions {
  /** The way to the server. */
  readonly transport: Transport;
  /** What decides the chunks; uploads share chunks only when it is the same. Default: `large`. */
  readonly profile?: ProfileInput | undefined;
  /**
   * Chunks a `Blob` or buffer of 4 MiB or more by this pool; reads a second time only those chunks
   * that the server lacks. Default: all is done by the calling thread.
   */
  readonly pool?: ChunkerPool | undefined;
  /** Chunks sent at the same time. Default 4. */
  readonly concurrency?: number | undefined;
  /**
   * Payload bytes held at the same time; reading waits beyond it. Default 32 MiB. With `compression`
   * the compressed form of each chunk being sent comes on top.
   */
  readonly maxBytesInFlight?: number | undefined;
  /**
   * Sends chunks compressed, if the server takes that and they become smaller. Loads
   * `chunker-cdc/codecs` when the first chunk is sent. Compresses on the calling thread: in a page,
   * upload from a worker. Default: chunks are sent as they are.
   */
  readonly compression?: ChunkEncoding | undefined;
  /** From the fastest, 1, to the smallest, 19. Default: zstd's own, 3. */
  readonly compressionLevel?: number | undefined;
  /** The announced size of a stream, in bytes; a `Blob` or buffer has its own. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
  /** Called for each change of a chunk's state. */
  readonly onChunk?: ((event: ChunkEvent) => void) | undefined;
  readonly retry?: RetryOptions | undefined;
  /**
   * Where confirmed chunks are recorded, so that a later `upload` of the same `File` goes on where
   * this one stopped. A store that fails costs only the resumption. Needs a `Blob`.
   */
  readonly resume?: ResumeStore | undefined;
  /** What the record is called. Default: a `File`'s name, size, last modification and profile. */
  readonly resumeKey?: string | undefined;
}

/** Where an upload stands. */
export interface UploadProgress {
  /** Bytes from the start of the source that are chunked; resumed ones included. */
  readonly bytesRead: number;
  /** The size of the source, if it is known. */
  readonly totalBytes: number | undefined;
  /** Bytes of chunks the server took in this upload. */
  readonly bytesSent: number;
  /** Bytes of the bodies that carried these chunks: fewer than `bytesSent` if they were compressed. */
  readonly bytesOnWire: number;
  /** Bytes that were not sent because the server had them or the file repeats them. */
  readonly bytesSaved: number;
  /** Bytes confirmed by an earlier, interrupted upload. */
  readonly bytesResumed: number;
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
  /** The committed manifest's root digest, 64 lowercase hexadecimal digits: what `download` takes. */
  readonly rootDigest: string;
  readonly manifest: Manifest;
}

/**
 * - `found`: cut and hashed, the server is being asked;
 * - `duplicate`: the same as an earlier chunk of this source;
 * - `known`: the server had it;
 * - `resumed`: confirmed by an earlier upload;
 * - `sending`, `sent`.
 */
export type ChunkState = "found" | "duplicate" | "known" | "resumed" | "sending" | "sent";

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
