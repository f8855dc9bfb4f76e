// Imports nothing: everything else may raise errors.

/** Every code of a {@link ChunkerError}: first those of the core, then those of this package. */
export const CHUNKER_ERROR_CODES = [
  "chunk_bounds_invalid",
  "chunk_digest_mismatch",
  "chunk_index_out_of_range",
  "chunk_length_mismatch",
  "chunk_sequence_invalid",
  "chunk_unavailable",
  "invalid_chunking_options",
  "invalid_manifest",
  "io_error",
  "manifest_too_large",
  "memory_limit_exceeded",
  "unknown_hash_algorithm",
  "unknown_profile",
  "unsupported_manifest_version",
  "zero_length_chunk",
  "bzip2_compression_failed",
  "bzip2_decompression_failed",
  "decode_error",
  "decompression_ended",
  "invalid_base32",
  "invalid_compression_level",
  "invalid_nar_size",
  "invalid_patches",
  "invalid_narinfo",
  "invalid_nix_hash",
  "invalid_public_key",
  "invalid_secret_key",
  "invalid_signature",
  "invalid_signature_length",
  "invalid_store_hash",
  "invalid_store_path",
  "invalid_window_log",
  "lz4_compression_failed",
  "lz4_decompression_failed",
  "placeholder_missing",
  "randomness_unavailable",
  "size_exceeded",
  "stream_length_mismatch",
  "too_many_patches",
  "too_many_references",
  "truncated_data",
  "unknown_compression_format",
  "unsupported_patches_version",
  "verification_failed",
  "window_exceeded",
  "xz_compression_failed",
  "xz_decompression_failed",
  "zstd_compression_failed",
  "zstd_decompression_failed",
  "aborted",
  "chunker_closed",
  "internal_error",
  "invalid_argument",
  "invalid_environment",
  "native_unavailable",
  "not_ready",
  "platform_hash_failed",
  "threads_unavailable",
  "worker_failed",
] as const;

/** A machine-readable error code. Codes never change their meaning. */
export type ChunkerErrorCode = (typeof CHUNKER_ERROR_CODES)[number];

/** The error class of this library. Errors of a source pass through unchanged. */
export class ChunkerError extends Error {
  override readonly name = "ChunkerError";
  readonly code: ChunkerErrorCode;

  constructor(code: ChunkerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Names, not classes: `chunker-cdc/dedup` has its own, and a program may load the package twice. */
const OURS: readonly string[] = ["ChunkerError", "DedupError"];

type CodedError = Error & { readonly code: string };

/** Whether `error` has a code. It may come from another realm. */
function isCoded(error: unknown): error is CodedError {
  if (typeof error !== "object" || error === null) return false;
  const { code, name, message } = error as Partial<Record<keyof CodedError, unknown>>;
  return [code, name, message].every((part) => typeof part === "string");
}

/** Calls `call`, and turns errors of the module or the addon into a {@link ChunkerError}. */
export function calling<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw counted(failureOf(error));
  }
}

/** The number of errors raised, by their code. */
export const countedErrors = new Map<string, number>();
/** A server may send any code; further ones are counted as `other`. */
const MOST_CODES = 256;
const seen = new WeakSet<object>();
let listener: ((code: string) => void) | undefined;

/** Calls `listen` with the code of every error that is counted from now on. */
export function listenToErrors(listen: (code: string) => void): void {
  listener = listen;
}

/**
 * Counts `error` for `metrics()` if it is one of this library, and returns it. Each error counts once,
 * however often it is rethrown, and not at all if its cause was counted.
 */
export function counted<E>(error: E): E {
  if (isCoded(error) && OURS.includes(error.name)) count(error);
  return error;
}

function count(error: CodedError): void {
  const { cause, code } = error;
  const isEcho = typeof cause === "object" && cause !== null && seen.has(cause);
  if (isEcho || seen.has(error)) return;
  seen.add(error);
  const key = countedErrors.has(code) || countedErrors.size < MOST_CODES ? code : "other";
  countedErrors.set(key, (countedErrors.get(key) ?? 0) + 1);
  listener?.(code);
}

/** A size as the core names it. */
const SIZE = /\b(min|avg|max)_size\b/;
/** The code that napi gives a panic. */
const PANIC = "GenericFailure";

/** Returns an error of the module or the addon as a {@link ChunkerError}, and any other unchanged. */
export function failureOf(error: unknown): unknown {
  if (!isCoded(error) || OURS.includes(error.name)) return error;
  if (error.code === "invalid_chunking_options") {
    return new ChunkerError(error.code, error.message.replace(SIZE, "$1Size"));
  }
  if (isCode(error.code)) return new ChunkerError(error.code, error.message);
  if (error.code === PANIC) return new ChunkerError("internal_error", error.message);
  return error;
}

export function invalidArgument(message: string, options?: ErrorOptions): ChunkerError {
  return counted(new ChunkerError("invalid_argument", message, options));
}

function isCode(code: unknown): code is ChunkerErrorCode {
  return (CHUNKER_ERROR_CODES as readonly unknown[]).includes(code);
}
