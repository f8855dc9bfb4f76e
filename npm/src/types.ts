// Names and records of the public API that several files need. Imports nothing.

/** A hash algorithm with digests of 32 bytes. */
export type HashAlgorithm = "sha256" | "blake3";

/** A compressed format: Zstandard (RFC 8878), LZ4 frames, .xz, or .bz2. */
export type Codec = "zstd" | "lz4" | "xz" | "bzip2";

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
