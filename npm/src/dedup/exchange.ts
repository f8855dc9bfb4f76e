// One HTTP request and its answer, for every way to send it.

import { DedupError } from "./error.js";
import type { Body } from "./transport.js";

/** What `fetch` accepts: not every type library that has it names this type. */
export type Credentials = NonNullable<RequestInit["credentials"]>;

/** A request, ready to send. */
export interface HttpRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Body | undefined;
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
  /** Notified of all progress by the other side. */
  readonly watch: Watch;
  readonly onSent: ((bytes: number) => void) | undefined;
}

/** The head of an answer, and its body as it arrives. */
export interface HttpAnswer {
  /** 302 for a redirect whose status the browser hides. */
  readonly status: number;
  header(name: string): string | null;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends a request without following redirects. Rejects with any error if there is no answer. */
export type Exchange = (request: HttpRequest) => Promise<HttpAnswer>;

/**
 * Ends a request if the other side makes no progress. Time spent waiting for anything else does not count.
 */
export class Watch {
  readonly #limitMs: number;
  readonly #onStall: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(limitMs: number, onStall: () => void) {
    this.#limitMs = limitMs;
    this.#onStall = onStall;
  }

  /** From now on, it is the other side's turn; it has `extraMs` more than usual. */
  wait(extraMs = 0): void {
    this.rest();
    if (this.#ended) return;
    const ms = this.#limitMs + extraMs;
    // Timers cannot run longer than about 24 days.
    if (ms < 2 ** 31) this.#timer = setTimeout(this.#onStall, ms);
  }

  /** It is not the other side's turn. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  /** The request is over, even if something still arrives. */
  end(): void {
    this.rest();
    this.#ended = true;
  }
}

/** Node's codes of errors that a retry does not help: addresses, headers, certificates, other protocols. */
const HOPELESS =
  /^(ERR_INVALID_|ERR_UNESCAPED_|ERR_HTTP_INVALID|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO$|HPE_INVALID_CONSTANT)/;

/** Returns the error of an exchange as one of this package. */
export function networkError(what: string, error: unknown): DedupError {
  const reasons: string[] = [];
  let retryable = true;
  // `fetch` hides the reason in a cause.
  for (let reason = error; typeof reason === "object" && reason !== null; ) {
    const { message, code, cause } = reason as Error & { code?: unknown };
    if (typeof message === "string" && message !== "") reasons.push(message);
    if (typeof code === "string" && HOPELESS.test(code)) retryable = false;
    reason = cause;
  }
  const why = reasons.at(-1);
  return new DedupError("network_error", `no answer to ${what}${why ? `: ${why}` : ""}`, {
    retryable,
    cause: error,
  });
}
