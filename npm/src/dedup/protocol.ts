// What both sides of the upload protocol agree on; `docs/upload-protocol.md` is its specification.

import type { HashAlgorithm } from "../index.js";

/** The digests that one `POST /v1/chunks/missing` may ask for. */
export const MAX_DIGESTS_PER_QUERY = 10_000;

/** The body of `POST /v1/chunks/missing`. */
export interface MissingQuery {
  readonly hash: HashAlgorithm;
  readonly digests: readonly string[];
}

/** The answer to `POST /v1/chunks/missing`. */
export interface MissingAnswer {
  readonly missing: readonly string[];
  /** How chunks may be sent besides as they are. */
  readonly encodings?: readonly ChunkEncoding[];
}

/** The encodings of a chunk on its way to the server. */
export const CHUNK_ENCODINGS = ["zstd"] as const;

/** An encoding of a chunk on its way to the server. */
export type ChunkEncoding = (typeof CHUNK_ENCODINGS)[number];

/** The body of every 4xx and 5xx answer. */
export interface ErrorAnswer {
  /** Stable, lowercase snake_case. */
  readonly code: string;
  /** For people; may change. */
  readonly message: string;
  /** With `chunks_missing`: the digests the server lacks, at most {@link MAX_DIGESTS_PER_QUERY} of them. */
  readonly missing?: readonly string[];
}

const DIGEST = /^[0-9a-f]{64}$/;

/** Whether `text` is a digest as the protocol writes it: 64 lowercase hexadecimal digits. */
export function isDigest(text: unknown): text is string {
  return typeof text === "string" && DIGEST.test(text);
}

/** Whether `name` is an encoding of the protocol. */
export function isChunkEncoding(name: unknown): name is ChunkEncoding {
  return CHUNK_ENCODINGS.some((encoding) => encoding === name);
}

/** Whether `name` is a hash algorithm of the protocol. */
export function isHashAlgorithm(name: unknown): name is HashAlgorithm {
  return name === "sha256" || name === "blake3";
}
