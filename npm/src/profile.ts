// What decides the chunks of an input. Defaults, ranges and ids are the core's.

import { calling, invalidArgument } from "./errors.js";
import { core } from "./load.js";
import { checkedOptions, type HashAlgorithm } from "./options.js";
import { ready } from "./ready.js";

/**
 * Sizes for everyday use, with normalization level 1, no seed and SHA-256.
 *
 * | | smallest, average and largest chunk | |
 * |---|---|---|
 * | `large` | 256 KiB, 1 MiB, 4 MiB | the default, for files of many megabytes |
 * | `medium` | 16 KiB, 64 KiB, 256 KiB | finds more in common, for more chunks |
 * | `small` | 4 KiB, 16 KiB, 64 KiB | for small files, and edits of few bytes |
 */
export type ProfileName = "large" | "medium" | "small";

/**
 * The parts of a profile; what is left out is that of `large`. Other values are a {@link ChunkerError}
 * `invalid_chunking_options` or `unknown_hash_algorithm`.
 */
export interface ProfileFields {
  /** Bytes of the smallest chunk but the last: even, at least 64. */
  minSize?: number | undefined;
  /** Bytes of a chunk on average: even, `minSize` to 16 MiB. */
  avgSize?: number | undefined;
  /** Bytes of the largest chunk: even, `avgSize` to 1 GiB. */
  maxSize?: number | undefined;
  /** The normalization level, 0 to 3: the higher, the nearer are lengths to the average. */
  level?: number | undefined;
  /**
   * What the entries of the gear table are XORed with, 0 to 2^64-1; above 2^53-1 it is a `bigint`. It
   * is **not** a protection against fingerprinting.
   */
  seed?: number | bigint | undefined;
  /** The algorithm of the chunks' digests. */
  hash?: HashAlgorithm | undefined;
}

/** Everything that decides the chunks of an input: a name, a profile id, or the parts of a profile. */
export type ProfileInput = ProfileName | (string & Record<never, never>) | ProfileFields;

/** A profile, and what of it decides how chunks are found and hashed. */
export interface ResolvedProfile {
  readonly id: string;
  /** In bytes. */
  readonly avgSize: number;
  /** In bytes. */
  readonly maxSize: number;
  readonly hash: HashAlgorithm;
}

const FIELDS = ["minSize", "avgSize", "maxSize", "level", "seed", "hash"] as const;

/**
 * Returns the id of a profile, by default that of `large`. Two sides with equal ids find equal chunks.
 *
 * ```ts
 * await profile("medium"); // "fastcdc-v2020/nc1/16384-65536-262144/sha256"
 * ```
 *
 * @throws {ChunkerError} `invalid_chunking_options`, `unknown_profile`, `unknown_hash_algorithm` or
 * `invalid_argument`.
 */
export async function profile(input?: ProfileInput): Promise<string> {
  await ready();
  return resolveProfile(input).id;
}

/**
 * Returns the id of the Remote Execution API's `FAST_CDC_2020` profile for an average size in bytes, even
 * a quarter of it, 1 KiB to 1 MiB: normalization level 2, a quarter and four times of it as the other
 * sizes, SHA-256 and no seed. 512 KiB is what the API recommends.
 *
 * @throws {ChunkerError} `invalid_chunking_options`.
 */
export async function remoteExecutionProfile(avgSize: number): Promise<string> {
  await ready();
  const { remoteExecutionProfile } = core();
  return calling(() => remoteExecutionProfile(avgSize));
}

/** @throws {ChunkerError} As {@link profile}, and `not_ready`. */
export function resolveProfile(input: ProfileInput | undefined): ResolvedProfile {
  const { resolveProfile } = core();
  const fields = typeof input === "object" ? fieldsOf(input) : input;
  const [id, avgSize, maxSize, hash] = calling(() => resolveProfile(fields));
  return { id, avgSize, maxSize, hash: hash as HashAlgorithm };
}

/** Returns the fields of `input`, all of which are read here: no error of a getter comes from elsewhere. */
function fieldsOf(input: ProfileFields): ProfileFields {
  checkedOptions(input, FIELDS);
  try {
    return Object.fromEntries(FIELDS.map((name) => [name, input[name]]));
  } catch (cause) {
    throw invalidArgument("profile cannot be read", { cause });
  }
}
