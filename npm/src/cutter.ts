// Who cuts, and who hashes: the module, or the module and the platform.

import type { Chunk } from "./chunk.js";
import { beginDigest, SHORTEST_WHOLE, wholeDigest } from "./digests.js";
import { calling } from "./errors.js";
import { GatheringCutter } from "./gathering-cutter.js";
import { HashingCutter } from "./hashing-cutter.js";
import { ListedCutter } from "./listed-cutter.js";
import { core } from "./load.js";
import { type ChunkerOptions, type HashAlgorithm, hashOf } from "./options.js";
import { runningSha256 } from "./sha256.js";

/** Finds the chunks of an input that arrives in pieces, as records (`unpackChunks` reads them). */
export interface Cutter {
  feed(piece: Uint8Array): Uint8Array;
  finish(): Uint8Array;
  free(): void;
}

/** The same. One call has to be over before the next, and `piece` is not to change before that. */
export interface AsyncCutter {
  feed(piece: Uint8Array): Uint8Array | Promise<Uint8Array>;
  finish(): Uint8Array | Promise<Uint8Array>;
  free(): void;
}

/** Averages in bytes, below which the platform's digests cost more for each chunk than they save. */
const SMALLEST_AVERAGE = { running: 2 * 1024, whole: SHORTEST_WHOLE };
/** Chunks that are gathered for the platform have at most so many bytes. */
const LARGEST_GATHERED = 16 * 1024 * 1024;

export function createCutter(options: ChunkerOptions): Cutter {
  const begin = hashesBy(options, SMALLEST_AVERAGE.running) ? runningSha256() : undefined;
  const chunker = pushChunker(options, begin !== undefined);
  return begin === undefined ? chunker : new HashingCutter(chunker, begin);
}

export function createAsyncCutter(options: ChunkerOptions): AsyncCutter {
  const hash = wholeDigest("sha256");
  const { maxSize } = options;
  const gathers = maxSize === undefined || maxSize <= LARGEST_GATHERED;
  if (hash === undefined || !gathers || !hashesBy(options, SMALLEST_AVERAGE.whole)) {
    return createCutter(options);
  }
  return new GatheringCutter(pushChunker(options, true), hash);
}

/** Returns what cuts an input where `chunks` says, and hashes the pieces. */
export function createListedCutter(chunks: readonly Chunk[], hash: HashAlgorithm): AsyncCutter {
  const cutter = new ListedCutter(chunks);
  const digest = wholeDigest(hash);
  const lengths = chunks.reduce((sum, { length }) => sum + length, 0);
  const gathers =
    lengths >= chunks.length * SHORTEST_WHOLE &&
    chunks.every(({ length }) => length <= LARGEST_GATHERED);
  if (digest !== undefined && gathers) return new GatheringCutter(cutter, digest);
  return new HashingCutter(cutter, () => beginDigest(hash));
}

function hashesBy({ hash, avgSize }: ChunkerOptions, smallestAverage: number): boolean {
  return hashOf(hash) === "sha256" && (avgSize === undefined || avgSize >= smallestAverage);
}

function pushChunker(options: ChunkerOptions, cutsOnly: boolean): Cutter {
  const { minSize, avgSize, maxSize, hash, offset } = options;
  const { PushChunker } = core();
  return calling(() => new PushChunker(minSize, avgSize, maxSize, hash, offset, cutsOnly));
}
