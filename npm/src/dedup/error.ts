/**
 * What can go wrong in an upload or download besides the errors of the core.
 *
 * - `aborted`, the chunking and the manifest codes come as the package's `ChunkerError`.
 * - Codes of a server (`digest_mismatch`, `chunks_missing`, `manifest_not_found`, …, see
 *   `docs/upload-protocol.md`) come through unchanged, with `status`.
 */
export type DedupErrorCode =
  /** No answer: offline, refused, reset, name not found. */
  | "network_error"
  /** No answer within the transport's time limit. */
  | "request_timeout"
  /** An answer that is not in the protocol. */
  | "protocol_error"
  /** The source was modified, or was shorter or longer than its announced size. */
  | "source_changed"
  /** The source could not be read. */
  | "source_unreadable"
  /** The manifest or a chunk names a digest that its bytes do not have. */
  | "digest_mismatch"
  /** The server lost chunks that cannot be read from the source a second time. */
  | "chunks_missing"
  | (string & {});

/** Facts that travel with a {@link DedupError}. */
export interface DedupErrorDetails {
  /** The HTTP status, where a server answered. */
  readonly status?: number;
  /** Whether the same request may succeed later. */
  readonly retryable?: boolean;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** With `chunks_missing`: digests the server lacks. */
  readonly missing?: readonly string[];
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

  constructor(code: DedupErrorCode, message: string, details: DedupErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.missing = details.missing;
  }
}
