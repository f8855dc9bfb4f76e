import type { IncomingMessage } from "node:http";
import type { ChunkStore } from "./store.js";

/** What one request may cost. */
export interface UploadLimits {
  /** The largest chunk, in bytes. Default 16 MiB. */
  readonly maxChunkBytes: number;
  /** The largest manifest, in bytes. Default 16 MiB: about 466,000 chunks. */
  readonly maxManifestBytes: number;
  /** Manifests, queries and encoded chunks in memory at the same time, in bytes. Default 64 MiB. */
  readonly maxBufferedBytes: number;
  /** Manifests of the files that are being read at the same time, in bytes. Default 64 MiB. */
  readonly maxServedBytes: number;
  /** How long a body, or the reader of an answer, may pause, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs: number;
  /** How long a whole body may take, in milliseconds. Default 300,000. */
  readonly bodyTimeoutMs: number;
}

/** Which pages of other origins may use the server. */
export interface CorsOptions {
  /** Origins such as `https://example.org`, or `*` for all. */
  readonly origins: readonly string[] | "*";
  /** Request headers besides `content-type`, for example `authorization`. */
  readonly headers?: readonly string[];
}

/** How the receiving side works. */
export interface UploadHandlerOptions {
  /** Where chunks and manifests are kept. */
  readonly store: ChunkStore;
  readonly limits?: Partial<UploadLimits>;
  /** Default: pages of the server's own origin only. */
  readonly cors?: CorsOptions;
  /** Told of every failure that is not the sender's: what was answered with a 5xx. */
  readonly onError?: (error: unknown, request: IncomingMessage) => void;
}

export const DEFAULT_LIMITS: UploadLimits = {
  maxChunkBytes: 16 * 1024 * 1024,
  maxManifestBytes: 16 * 1024 * 1024,
  maxBufferedBytes: 64 * 1024 * 1024,
  maxServedBytes: 64 * 1024 * 1024,
  idleTimeoutMs: 30_000,
  bodyTimeoutMs: 300_000,
};
