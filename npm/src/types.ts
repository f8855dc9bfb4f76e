// Types of the public API that several files share. Imports nothing.

/** A hash algorithm with 32-byte digests. */
export type HashAlgorithm = "sha256" | "blake3";

/** A compression format: Zstandard (RFC 8878), LZ4 frames, .xz, or .bz2. */
export type Codec = "zstd" | "lz4" | "xz" | "bzip2";

/**
 * Sizes for everyday use, with normalization level 1, no seed and SHA-256.
 *
 * | | smallest, average, largest chunk | |
 * |---|---|---|
 * | `large` | 256 KiB, 1 MiB, 4 MiB | the default: for files of many megabytes |
 * | `medium` | 16 KiB, 64 KiB, 256 KiB | finds more duplicates, at the cost of more chunks |
 * | `small` | 4 KiB, 16 KiB, 64 KiB | for small files and small edits |
 */
export type ProfileName = "large" | "medium" | "small";

/**
 * The fields of a profile; omitted fields are those of `large`. Values out of range are a
 * {@link ChunkerError} `invalid_chunking_options` or `unknown_hash_algorithm`.
 */
export interface ProfileFields {
  /** Smallest chunk in bytes, except the last: even, at least 64. */
  minSize?: number | undefined;
  /** Average chunk in bytes: even, from `minSize` to 16 MiB. */
  avgSize?: number | undefined;
  /** Largest chunk in bytes: even, from `avgSize` to 1 GiB. */
  maxSize?: number | undefined;
  /** Normalization level, 0 to 3: the higher, the closer chunk lengths are to the average. */
  level?: number | undefined;
  /**
   * XORed into every entry of the gear table: 0 to 2^64-1; a `bigint` above 2^53-1. It does **not**
   * protect against fingerprinting.
   */
  seed?: number | bigint | undefined;
  /** Hash algorithm of the chunks' digests. */
  hash?: HashAlgorithm | undefined;
}

/** Everything that determines the chunks of an input: a name, a profile id, or fields. */
export type ProfileInput = ProfileName | (string & Record<never, never>) | ProfileFields;
