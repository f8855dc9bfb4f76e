/** Every code of a {@link StoreError}. */
export const STORE_ERROR_CODES = [
  "chunk_digest_mismatch",
  "chunk_length_mismatch",
  "chunk_not_found",
  "commit_contended",
  "invalid_doom",
  "invalid_pack",
  "invalid_root",
  "invalid_store_address",
  "invalid_store_option",
  "manifest_algorithm_mismatch",
  "manifest_digest_mismatch",
  "manifest_too_large",
  "no_runtime",
  "not_a_store",
  "object_not_found",
  "pack_writer_failed",
  "permission_denied",
  "randomness_unavailable",
  "range_not_satisfiable",
  "read_only",
  "root_not_found",
  "storage_failed",
  "storage_full",
  "store_not_found",
  "task_lost",
  "unknown_hash_algorithm",
  "unreadable_pack",
  "unsupported_pack_version",
  "unsupported_store_version",
] as const;

/** A machine-readable code of a {@link StoreError}. */
export type StoreErrorCode = (typeof STORE_ERROR_CODES)[number];

/** An operation of a store failed; `code` says why. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode | (string & {});

  constructor(code: StoreErrorCode | (string & {}), message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * A refusal of a request. Hooks throw or return it.
 *
 * The status is a 4xx or 5xx; the code is lowercase words joined by `_`, and clients may rely on it. Clients
 * retry after 408, 425, 429, and 5xx except 501 and 507.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;
  /** Headers of the answer, such as `www-authenticate`. */
  readonly headers: Readonly<Record<string, string>>;

  /** @param message For people. Optional for codes of the protocol. */
  constructor(
    status: number,
    code: string,
    message?: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Returns `value` if it is a {@link Refusal} that can be sent, from any copy of the package. */
export function asRefusal(value: unknown): Refusal | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, status, code, message, headers } = value as Partial<Record<keyof Refusal, unknown>>;
  const inRange = Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
  const named = name === "Refusal" && typeof code === "string" && /^[a-z][a-z0-9_]*$/.test(code);
  const told = typeof message === "string" && areHeaders(headers);
  return inRange && named && told ? (value as Refusal) : undefined;
}

/** Whether `Headers` accepts all of them, so none can end its line early. */
function areHeaders(headers: unknown): boolean {
  try {
    return typeof headers === "object" && headers !== null && new Headers({ ...headers }) !== null;
  } catch {
    return false;
  }
}
