import { kindOf } from "./bytes.js";
import { invalidArgument } from "./errors.js";

/** A hash algorithm with digests of 32 bytes. */
export type HashAlgorithm = "sha256" | "blake3";

/**
 * Sizes of chunks in bytes, and the algorithm of their digests. What is left out has the core's
 * default: 256 KiB, 1 MiB, 4 MiB and SHA-256.
 *
 * Sizes are even, `64 ≤ minSize ≤ avgSize ≤ maxSize`, `avgSize` is at most 16 MiB and `maxSize` at
 * most 1 GiB. Anything else is a {@link ChunkerError} `invalid_chunking_options`.
 */
export interface ChunkingOptions {
  minSize?: number | undefined;
  avgSize?: number | undefined;
  maxSize?: number | undefined;
  hash?: HashAlgorithm | undefined;
}

/** The algorithm that the core takes when none is named. */
export function hashOf(hash: HashAlgorithm | undefined): HashAlgorithm {
  return hash ?? "sha256";
}

/** The keys of {@link ChunkingOptions}, in the order of the module's arguments. */
export const CHUNKING_KEYS = ["minSize", "avgSize", "maxSize", "hash"] as const;

/** Options of a {@link Chunker}. */
export interface ChunkerOptions extends ChunkingOptions {
  /** Offset of a cut at which the input begins, in bytes: for the rest of a larger input. */
  offset?: number | undefined;
}

export const CHUNKER_KEYS = [...CHUNKING_KEYS, "offset"] as const;

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
