/**
 * Codes of uploads and downloads, in addition to those of the core:
 *
 * - `aborted`, and errors of chunking and manifests, are a `ChunkerError` of the package;
 * - codes of a server (`chunk_digest_mismatch`, `insufficient_storage`, `root_not_found`, …, see
 *   `docs/protocol.md`) pass through unchanged, with `status`.
 */
export type DedupErrorCode =
  /** No answer: offline, connection refused or reset, name not found, invalid certificate. */
  | "network_error"
  /** The server made no progress within the transport's time limit. */
  | "request_timeout"
  /** The server answered with a redirect. */
  | "redirected"
  /** A proxy in front of the server refuses bodies of this size. */
  | "body_too_large"
  /** An answer that violates the protocol. */
  | "protocol_error"
  /** The source was modified, or is shorter or longer than announced. */
  | "source_changed"
  /** The source could not be read. */
  | "source_unreadable"
  /** The manifest received is not the one requested. */
  | "digest_mismatch"
  /** The server lost chunks that cannot be read from the source a second time. */
  | "chunks_missing"
  /** The server lacks a chunk of the file being downloaded. */
  | "chunk_not_found"
  | (string & {});

/** Details of a {@link DedupError}. */
export interface DedupErrorDetails {
  /** The HTTP status, if a server answered. */
  readonly status?: number;
  /** Whether the same request may succeed later. */
  readonly retryable?: boolean;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** With `chunks_missing`: the digests that the server lacks, 64 lowercase hexadecimal digits each. */
  readonly missing?: readonly string[];
  /** With `chunks_missing`: how many chunks the server lacks; `missing` may name only the first of them. */
  readonly count?: number;
  readonly cause?: unknown;
}

/** An upload or download failed; `code` says why. */
export class DedupError extends Error {
  override readonly name = "DedupError";
  readonly code: DedupErrorCode;
  readonly status: number | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly missing: readonly string[] | undefined;
  readonly count: number | undefined;

  constructor(code: DedupErrorCode, message: string, details: DedupErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.missing = details.missing;
    this.count = details.count;
  }
}

/** Returns `error` if it is a {@link DedupError}, from any copy of the package. */
export function asDedupError(error: unknown): DedupError | undefined {
  const named = typeof error === "object" && error !== null && "name" in error && "code" in error;
  return named && error.name === "DedupError" ? (error as DedupError) : undefined;
}
