import { kindOf } from "./bytes.js";
import { invalidArgument } from "./errors.js";
import type { ProfileInput } from "./types.js";

/** Options of a {@link Chunker}. */
export interface ChunkerOptions {
  /** What decides the chunks. Default: `large`. */
  profile?: ProfileInput | undefined;
  /** Offset of a cut at which the input begins, in bytes: for the rest of a larger input. */
  offset?: number | undefined;
}

/** How far reading has come. */
export interface Progress {
  /** Bytes read from the source. */
  bytesRead: number;
  /** Bytes in the source, where they are known before the end. */
  totalBytes?: number;
}

/** Options of what reads a source. */
export interface SourceOptions {
  /** Stops reading; the error is a `ChunkerError` `aborted`, whose `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called after every read. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of {@link chunks} and its relatives. */
export interface ReadOptions extends ChunkerOptions, SourceOptions {}

/** Options of `ready`. */
export interface ReadyOptions {
  /**
   * The module, where the package cannot find it: a `WebAssembly.Module`, the bytes of one of the
   * package's `.wasm` files, a `Response` that carries these, or a promise of one of them. Of no
   * account once a module is loaded or being loaded.
   */
  module?: object | undefined;
}

export const CHUNKER_KEYS = ["profile", "offset"] as const;
const SOURCE_KEYS = ["signal", "onProgress"] as const;
const READ_KEYS = [...CHUNKER_KEYS, ...SOURCE_KEYS] as const;

/**
 * Returns `options`, or none when left out.
 *
 * @throws {ChunkerError} `invalid_argument` when they are no object, or have a key not in `known`.
 */
export function checkedOptions<T extends object>(
  options: T | undefined,
  known: readonly (keyof T & string)[],
): Partial<T> {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null) {
    throw invalidArgument(`options are not an object, but ${kindOf(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!(known as readonly string[]).includes(key)) {
      throw invalidArgument(`unknown option ${JSON.stringify(key)}; known are ${known.join(", ")}`);
    }
  }
  return options;
}

/** Returns `options`, as {@link checkedOptions} does; the values of a chunker are checked by it. */
export function checkedReadOptions(options: ReadOptions | undefined): ReadOptions {
  return checkedSource(checkedOptions(options, READ_KEYS));
}

/** Returns `options`, as {@link checkedOptions} does. */
export function checkedSourceOptions(options: SourceOptions | undefined): SourceOptions {
  return checkedSource(checkedOptions(options, SOURCE_KEYS));
}

function checkedSource<T extends SourceOptions>(options: T): T {
  checkSignal(options.signal);
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalidArgument("onProgress is not a function");
  }
  return options;
}

export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && !(typeof signal?.addEventListener === "function")) {
    throw invalidArgument("signal is not an AbortSignal");
  }
}
