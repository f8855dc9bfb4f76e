/** A request is answered with an error of the protocol. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly missing: readonly string[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    details: {
      missing?: readonly string[];
      headers?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.status = status;
    this.code = code;
    this.missing = details.missing;
    this.headers = details.headers ?? {};
  }
}

export function wrongLength(digest: string): Refusal {
  return new Refusal(
    400,
    "chunk_length_mismatch",
    `the manifest gives chunk ${digest} a length it does not have`,
  );
}

export function chunkNotFound(digest: string): Refusal {
  return new Refusal(404, "chunk_not_found", `no chunk ${digest} is stored`);
}

export function chunkDamaged(digest: string, what: string): Refusal {
  return new Refusal(500, "chunk_damaged", `chunk ${digest} ${what}`);
}

export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new Refusal(507, "insufficient_storage", "the store is full", { cause: error });
  }
  return new Refusal(500, "internal_error", "the server failed", { cause: error });
}
