// How an input is divided among workers.

import type { ResolvedProfile } from "../profile.js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Sizes in bytes. */
export interface Plan {
  /** Where runs begin: at multiples of this. */
  readonly segment: number;
  /** Runs that are ahead stay this close to what the consumer has taken. */
  readonly window: number;
  /** What a run is given at once; */
  readonly piece: number;
  /** and behind the beginning of the next one. */
  readonly overrun: number;
  /** How much of a stream is held. */
  readonly held: number;
}

/**
 * Two runs over the same bytes meet after about three chunks, which both of them cut and hash: a
 * segment is many chunks, so that this is little, and a part of the input, so that all workers have
 * one.
 *
 * @param size The length of the input, if any of it can be had at once.
 */
export function planOf(
  { avgSize, maxSize }: ResolvedProfile,
  workers: number,
  size: number | undefined,
): Plan {
  const most = Math.max(MIB, 16 * avgSize, Math.min(256 * avgSize, 32 * MIB));
  let segment = Math.min(most, Math.max(MIB, 8 * avgSize, (size ?? Infinity) / workers));
  if (size === undefined) segment = Math.min(segment, Math.max(16 * MIB, 8 * avgSize));
  // Chunks of equal bytes are as long as possible: runs that begin at such a cut meet at once.
  segment = segment < maxSize ? Math.ceil(segment) : Math.ceil(segment / maxSize) * maxSize;
  // Of a stream too much would be held: it is one run.
  const divided = size !== undefined || segment <= 32 * MIB;
  return {
    segment: divided ? segment : Infinity,
    window: 2 * workers * segment,
    piece: MIB,
    overrun: Math.min(256 * KIB, Math.max(64 * KIB, avgSize)),
    held: divided ? workers * segment : 4 * MIB,
  };
}
