import { kindOf } from "./bytes.js";
import { invalidArgument } from "./errors.js";
import type { ProfileInput } from "./types.js";

/** Options of a {@link Chunker}. */
export interface ChunkerOptions {
  /** Determines the chunks. Default: `large`. */
  profile?: ProfileInput | undefined;
  /** Offset of a cut where the input starts, in bytes: to resume a larger input. */
  offset?: number | undefined;
}

/** Progress of reading a source. */
export interface Progress {
  /** Bytes read so far. */
  bytesRead: number;
  /** Bytes in the source, if known before its end. */
  totalBytes?: number;
}

/** Options of everything that reads a source. */
export interface SourceOptions {
  /** Stops reading with a `ChunkerError` `aborted`; its `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called after every read. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of {@link chunks} and similar functions. */
export interface ReadOptions extends ChunkerOptions, SourceOptions {}

/** Options of `ready`. */
export interface ReadyOptions {
  /**
   * The module, for when the package cannot find it: a `WebAssembly.Module`, the bytes of one of the
   * package's `.wasm` files, a `Response` with them, or a promise of any of these. Ignored once a
   * module is loaded or loading.
   */
  module?: object | undefined;
}

export const CHUNKER_KEYS = ["profile", "offset"] as const;
const SOURCE_KEYS = ["signal", "onProgress"] as const;
const READ_KEYS = [...CHUNKER_KEYS, ...SOURCE_KEYS] as const;

/**
 * Returns `options`, or an empty object if omitted.
 *
 * @throws {ChunkerError} `invalid_argument` if they are not an object or have a key not in `known`.
 */
export function checkedOptions<T extends object>(
  options: T | undefined,
  known: readonly (keyof T & string)[],
): Partial<T> {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null) {
    throw invalidArgument(`options are ${kindOf(options)} (expected an object)`);
  }
  for (const key of Object.keys(options)) {
    if (!(known as readonly string[]).includes(key)) {
      throw invalidArgument(`unknown option ${JSON.stringify(key)} (expected ${known.join(", ")})`);
    }
  }
  return options;
}

/** Checks `options` like {@link checkedOptions}; the chunker checks its own values. */
export function checkedReadOptions(options: ReadOptions | undefined): ReadOptions {
  return checkedSource(checkedOptions(options, READ_KEYS));
}

/** Checks `options` like {@link checkedOptions}. */
export function checkedSourceOptions(options: SourceOptions | undefined): SourceOptions {
  return checkedSource(checkedOptions(options, SOURCE_KEYS));
}

/** Returns `options`, after checking those of {@link SourceOptions}, whatever the progress is. */
export function checkedSource<
  T extends { readonly signal?: AbortSignal | undefined; readonly onProgress?: unknown },
>(options: T): T {
  checkSignal(options.signal);
  checkFunction("onProgress", options.onProgress);
  return options;
}

export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && !(typeof signal?.addEventListener === "function")) {
    throw invalidArgument(`signal is ${kindOf(signal)} (expected an AbortSignal)`);
  }
}

/** @throws {ChunkerError} `invalid_argument` if `value` is neither a function nor omitted. */
export function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw invalidArgument(`${name} is ${kindOf(value)} (expected a function)`);
  }
}

/** @throws {ChunkerError} `invalid_argument` if `value` is not an integer from `least` to `most`. */
export function checkInteger(
  name: string,
  value: number,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const given = typeof value === "number" ? value : kindOf(value);
  const limit = most === Number.MAX_SAFE_INTEGER ? "2^53-1" : most;
  throw invalidArgument(`${name} is ${given} (expected an integer from ${least} to ${limit})`);
}
