// One HTTP request and its answer, by whatever sends it.

import { DedupError } from "./error.js";
import type { Body } from "./transport.js";

/** What `fetch` takes: not every library that has it names this type. */
export type Credentials = NonNullable<RequestInit["credentials"]>;

/** A request that is ready to go. */
export interface HttpRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Headers;
  readonly body: Body | undefined;
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
  /** Told of everything that the other side does. */
  readonly watch: Watch;
  readonly onSent: ((bytes: number) => void) | undefined;
}

/** The head of an answer, and its body while it arrives. */
export interface HttpAnswer {
  /** That of a redirect where a browser does not tell it: 302. */
  readonly status: number;
  header(name: string): string | null;
  /** Leaving the loop ends the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends a request. Redirects are not followed. Rejects with whatever says that there is no answer. */
export type Exchange = (request: HttpRequest) => Promise<HttpAnswer>;

/**
 * Ends a request whose other side makes no progress. Time in which we wait for something else does not
 * count.
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

  /** It is the other side's turn, from now on; it has `extraMs` more than usual. */
  wait(extraMs = 0): void {
    this.rest();
    if (this.#ended) return;
    const ms = this.#limitMs + extraMs;
    // Longer than about 24 days is what timers cannot.
    if (ms < 2 ** 31) this.#timer = setTimeout(this.#onStall, ms);
  }

  /** It is not the other side's turn. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  /** The request is over, whatever is still heard of it. */
  end(): void {
    this.rest();
    this.#ended = true;
  }
}

/** Yields what `body` does; the other side's time runs only while it is waited for. */
export async function* watched(
  body: AsyncIterable<Uint8Array>,
  watch: Watch,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    watch.wait();
    for await (const piece of body) {
      watch.rest();
      yield piece;
      watch.wait();
    }
  } finally {
    watch.rest();
  }
}

/** Error codes of Node of what stays as it is: addresses, headers, certificates, other protocols. */
const HOPELESS =
  /^(ERR_INVALID_|ERR_UNESCAPED_|ERR_HTTP_INVALID|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO$|HPE_INVALID_CONSTANT)/;

/** Returns what an exchange rejected with as an error of this package. */
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
