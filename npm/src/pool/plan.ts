// How an input is divided among the workers.

import type { ResolvedProfile } from "../profile.js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Sizes in bytes. */
export interface Plan {
  /** Segments start at multiples of this. */
  readonly segmentLength: number;
  /** Segments run at most this far ahead of the consumer. */
  readonly window: number;
  /** What a worker is given at once. */
  readonly piece: number;
  /** What it is given at once beyond the start of the next segment. */
  readonly overrun: number;
  /** How much of a stream is kept in memory. */
  readonly held: number;
}

/**
 * Two segments over the same bytes fall into step after about three chunks, which both cut and hash.
 * A segment is therefore many chunks long, to make that overhead small, and short enough that every
 * worker has one.
 *
 * @param size Length of the input in bytes, if any part of it can be read at any time.
 */
export function planOf(
  { avgSize, maxSize }: ResolvedProfile,
  workers: number,
  size: number | undefined,
): Plan {
  const most = Math.max(MIB, 16 * avgSize, Math.min(256 * avgSize, 32 * MIB));
  let segment = Math.min(most, Math.max(MIB, 8 * avgSize, (size ?? Infinity) / workers));
  if (size === undefined) segment = Math.min(segment, Math.max(16 * MIB, 8 * avgSize));
  // Equal bytes give chunks of `maxSize`: segments that start at a multiple of it are in step at once.
  segment = segment < maxSize ? Math.ceil(segment) : Math.ceil(segment / maxSize) * maxSize;
  // Too much of a stream would be kept in memory: it is one segment.
  const divided = size !== undefined || segment <= 32 * MIB;
  return {
    segmentLength: divided ? segment : Infinity,
    window: 2 * workers * segment,
    piece: MIB,
    overrun: Math.min(256 * KIB, Math.max(64 * KIB, avgSize)),
    held: divided ? workers * segment : 4 * MIB,
  };
}
