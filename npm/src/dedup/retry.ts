import { kindOf } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { writeLine } from "../log.js";
import { checkedOptions, checkFunction, checkInteger } from "../options.js";
import { asDedupError, type DedupError } from "./error.js";

/** When a failed request is sent again. */
export interface RetryOptions {
  /** Limit for attempts, including the first; every success resets the count. Default: 10. */
  readonly attempts?: number | undefined;
  /** Longest wait before the second attempt, in milliseconds; it doubles each time. Default: 250. */
  readonly baseDelayMs?: number | undefined;
  /** Limit for the growing delay, in milliseconds. A longer `Retry-After` is honored, up to 120 s. Default: 15,000. */
  readonly maxDelayMs?: number | undefined;
  /** Returns a number from 0 to 1 for the jitter. Default: `Math.random`. */
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

const DEFAULT_ATTEMPTS = 10;
const DEFAULT_BASE_DELAY_MS = 250;
const DEFAULT_MAX_DELAY_MS = 15_000;
/** How long a request in progress may continue after a pause. */
const PAUSE_GRACE_MS = 2_000;

const KEYS = ["attempts", "baseDelayMs", "maxDelayMs", "random", "onRetry"] as const;
/** Longer timers fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Checks options from JavaScript and fills in defaults. */
function checkedRetry(options: RetryOptions | undefined) {
  const {
    attempts = DEFAULT_ATTEMPTS,
    baseDelayMs = DEFAULT_BASE_DELAY_MS,
    maxDelayMs = DEFAULT_MAX_DELAY_MS,
    random = Math.random,
    onRetry,
  } = checkedOptions(options, KEYS);
  if (attempts !== Number.POSITIVE_INFINITY) checkInteger("retry.attempts", attempts, 1);
  for (const [name, ms] of Object.entries({ baseDelayMs, maxDelayMs })) {
    if (typeof ms === "number" && ms >= 0 && ms <= LONGEST_TIMER_MS) continue;
    const given = typeof ms === "number" ? ms : kindOf(ms);
    throw invalidArgument(`retry.${name} is ${given} (expected 0 to ${LONGEST_TIMER_MS})`);
  }
  checkFunction("retry.random", random);
  checkFunction("retry.onRetry", onRetry);
  return { attempts, baseDelayMs, maxDelayMs, random, onRetry };
}

/** The attempts of one piece of work. */
export interface Attempts {
  /** Reports progress: the next failure counts as the first. */
  succeeded(): void;
  /** Waits before the next attempt, or throws `error` if there is none. */
  failed(error: unknown): Promise<void>;
}

/** Requests that are repeated when they fail, and that pause and stop together. */
export class Requests {
  readonly #options: ReturnType<typeof checkedRetry>;
  readonly #onRetry: (error: DedupError) => void;
  readonly #onPaused: () => void;
  /** One controller per request: Node warns of signals with many listeners. */
  readonly #running = new Set<AbortController>();
  readonly #stop = new AbortController();
  /** Functions that end the waits before attempts. */
  readonly #waits = new Set<() => void>();
  #paused: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onRetry Called before each wait, as the options' own is.
   * @param onPaused Called when a pause has ended the requests that were in progress.
   * @throws {ChunkerError} `invalid_argument`.
   */
  constructor(
    options?: RetryOptions,
    onRetry: (error: DedupError) => void = () => {},
    onPaused: () => void = () => {},
  ) {
    this.#options = checkedRetry(options);
    this.#onRetry = onRetry;
    this.#onPaused = onPaused;
  }

  /**
   * Returns the result of `attempt`, which is called again while it rejects with a retryable
   * {@link DedupError}.
   *
   * Waits between half and all of an exponentially growing delay, so that clients of a server that was down
   * do not all return at the same moment. Waits at least as long as the server asks, up to 120 s.
   */
  async run<T>(attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (const attempts = this.attempts(); ; ) {
      await this.notPaused();
      const controller = new AbortController();
      try {
        return await this.once(attempt, controller);
      } catch (error) {
        this.throwIfStopped();
        // Otherwise a pause ended it.
        if (!controller.signal.aborted) await attempts.failed(error);
      }
    }
  }

  /** Calls `attempt` once; a pause or a stop aborts it. */
  async once<T>(
    attempt: (signal: AbortSignal) => Promise<T>,
    controller = new AbortController(),
  ): Promise<T> {
    this.#running.add(controller);
    try {
      return await orReason(attempt(controller.signal), controller.signal);
    } finally {
      this.#running.delete(controller);
    }
  }

  /** Counts the attempts of work that is not a single call. */
  attempts(): Attempts {
    let number = 1;
    const { attempts } = this.#options;
    return {
      succeeded() {
        number = 1;
      },
      failed: async (caught) => {
        const error = asDedupError(caught);
        if (!error?.retryable || number >= attempts) throw caught;
        number += 1;
        await this.waitAfter(error, number - 1);
      },
    };
  }

  /** Waits after a failed attempt, before the next one. */
  async waitAfter(error: DedupError, attempt = 1): Promise<void> {
    const delayMs = this.#delay(attempt, error);
    this.#onRetry(error);
    const { code } = error;
    writeLine("warning", "request_retried", { attempt, delayMs: Math.round(delayMs), code });
    this.#options.onRetry?.({ attempt, delayMs, error });
    await this.#wait(delayMs);
  }

  /** Ends work outside {@link run}. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Starts no more requests; those in progress end soon, and are repeated later. */
  pause(): void {
    if (this.#paused !== undefined) return;
    let end = () => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#paused = { over, end };
    this.#grace = setTimeout(() => {
      for (const controller of this.#running) controller.abort(new Error("paused"));
      this.#onPaused();
    }, PAUSE_GRACE_MS);
  }

  resume(): void {
    clearTimeout(this.#grace);
    this.#paused?.end();
    this.#paused = undefined;
  }

  /** Whether {@link notPaused} waits or rejects. */
  get mustWait(): boolean {
    return this.#paused !== undefined || this.#stop.signal.aborted;
  }

  /** Resolves when requests may be sent; rejects when they are stopped. */
  async notPaused(): Promise<void> {
    this.throwIfStopped();
    while (this.#paused !== undefined) {
      await this.#paused.over;
      this.throwIfStopped();
    }
  }

  /** Ends all requests, including future ones: they reject with `reason`. */
  stop(reason: unknown): void {
    clearTimeout(this.#grace);
    this.#stop.abort(reason);
    for (const controller of this.#running) controller.abort(reason);
    for (const end of this.#waits) end();
    this.#paused?.end();
  }

  throwIfStopped(): void {
    this.#stop.signal.throwIfAborted();
  }

  /** Waits for `ms` milliseconds, or rejects when requests are stopped. */
  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => end(), ms);
      const end = () => {
        clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      this.#waits.add(end);
    });
    this.throwIfStopped();
  }

  #delay(number: number, { retryAfterMs = 0 }: DedupError): number {
    const { baseDelayMs, maxDelayMs, random } = this.#options;
    const longest = Math.min(baseDelayMs * 2 ** (number - 1), maxDelayMs);
    return Math.max(longest * (0.5 + 0.5 * random()), retryAfterMs);
  }
}

/**
 * Settles like `work`, or rejects with the signal's reason as soon as it aborts. If `work` then still resolves, `undo`
 * gets its result.
 */
export function orReason<T>(
  work: Promise<T>,
  signal: AbortSignal,
  undo?: (result: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const take = (result: T) => {
      if (!signal.aborted) {
        resolve(result);
        return;
      }
      onAbort(); // another listener may have kept the event from this one
      undo?.(result);
    };
    work.then(take, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
