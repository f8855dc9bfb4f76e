import { writeLine } from "../lines.js";
import { DedupError } from "./error.js";

/** When a failed request is sent again. */
export interface RetryOptions {
  /** Attempts in all, the first included. Default 8. */
  readonly attempts?: number | undefined;
  /** The longest wait before the second attempt, in milliseconds; doubles each time. Default 250. */
  readonly baseDelayMs?: number | undefined;
  /** The longest wait, in milliseconds. Default 15,000. */
  readonly maxDelayMs?: number | undefined;
  /** A number in `0..1` for the jitter. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Called before each wait. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
}

/** A request failed and will be sent again. */
export interface RetryEvent {
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: DedupError;
}

const DEFAULT_ATTEMPTS = 8;
const DEFAULT_BASE_DELAY_MS = 250;
const DEFAULT_MAX_DELAY_MS = 15_000;

/** Requests that are sent again when they fail, and that stop together. */
export class Requests {
  readonly #options: RetryOptions;
  readonly #onRetry: () => void;
  /** One controller a request: Node warns of a signal with many listeners. */
  readonly #running = new Set<AbortController>();
  #stopped: { readonly reason: unknown } | undefined;

  /** @param onRetry Called before each wait, as the options' own is. */
  constructor(options: RetryOptions = {}, onRetry: () => void = () => {}) {
    this.#options = options;
    this.#onRetry = onRetry;
  }

  /**
   * Returns what `attempt` resolves to, calling it again while it rejects with a retryable
   * {@link DedupError}.
   *
   * Waits between half and all of an exponentially growing delay, so that many clients of a server
   * that comes back do not return at the same moment; never less than the server asked for.
   */
  async run<T>(attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.throwIfStopped();
    const controller = new AbortController();
    this.#running.add(controller);
    try {
      return await this.#attempts(attempt, controller.signal);
    } finally {
      this.#running.delete(controller);
    }
  }

  /** Ends all requests, those to come too; they reject with `reason`. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    for (const controller of this.#running) controller.abort(reason);
  }

  throwIfStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped.reason;
  }

  async #attempts<T>(
    attempt: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { attempts = DEFAULT_ATTEMPTS, random = Math.random, onRetry } = this.#options;
    const { baseDelayMs = DEFAULT_BASE_DELAY_MS, maxDelayMs = DEFAULT_MAX_DELAY_MS } =
      this.#options;
    for (let number = 1; ; number += 1) {
      try {
        return await attempt(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof DedupError) || !error.retryable || number >= attempts) throw error;
        const longest = Math.min(baseDelayMs * 2 ** (number - 1), maxDelayMs);
        const delayMs = Math.max(longest * (0.5 + 0.5 * random()), error.retryAfterMs ?? 0);
        this.#onRetry();
        writeLine("warning", "request_retried", {
          attempt: number,
          delayMs: Math.round(delayMs),
          code: error.code,
        });
        onRetry?.({ attempt: number, delayMs, error });
        await sleep(delayMs, signal);
      }
    }
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
