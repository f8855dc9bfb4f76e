// What determines the chunks of an input. Defaults, ranges and ids come from the core.

import { calling, invalidArgument } from "./errors.js";
import { core } from "./load.js";
import { checkedOptions } from "./options.js";
import { ready } from "./ready.js";
import type { HashAlgorithm, ProfileFields, ProfileInput } from "./types.js";

/** A profile, and the fields that this package needs itself. */
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
 * Returns the id of a profile; the default is `large`. Equal ids give equal chunks, in every language.
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
 * Returns the id of the Remote Execution API's `FAST_CDC_2020` profile for an average size in bytes:
 * 1 KiB to 1 MiB, with an even quarter. The smallest chunk is a quarter of it, the largest four times,
 * with normalization level 2, SHA-256 and no seed. The API recommends 512 KiB.
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

/** Returns a copy of the fields of `input`. A getter that throws can only do so here. */
function fieldsOf(input: ProfileFields): ProfileFields {
  checkedOptions(input, FIELDS);
  try {
    return Object.fromEntries(FIELDS.map((name) => [name, input[name]]));
  } catch (cause) {
    throw invalidArgument("cannot read profile", { cause });
  }
}
