import { kindOf } from "./bytes.js";
import { invalidArgument } from "./errors.js";
import type { ProfileInput } from "./profile.js";

/** A hash algorithm with digests of 32 bytes. */
export type HashAlgorithm = "sha256" | "blake3";

/** Options of a {@link Chunker}. */
export interface ChunkerOptions {
  /** What decides the chunks. Default: `large`. */
  profile?: ProfileInput | undefined;
  /** Offset of a cut at which the input begins, in bytes: for the rest of a larger input. */
  offset?: number | undefined;
}

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
