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
