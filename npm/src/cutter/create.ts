// Chooses what cuts and hashes: the module alone, or the module and the platform.

import type { Chunk } from "../chunk.js";
import { calling } from "../errors.js";
import { core } from "../load.js";
import type { ResolvedProfile } from "../profile.js";
import type { HashAlgorithm } from "../types.js";
import { beginDigest, SHORTEST_WHOLE, wholeDigest } from "./digests.js";
import { GatheringCutter } from "./gathering.js";
import { HashingCutter } from "./hashing.js";
import { ListedCutter } from "./listed.js";
import { runningSha256 } from "./sha256.js";
import type { AsyncCutter, Cutter } from "./types.js";

/** Below this average size in bytes, the platform's running digests cost more than they save. */
const SMALLEST_AVERAGE = 2 * 1024;
/** Largest chunk in bytes that is gathered for the platform. */
const LARGEST_GATHERED = 16 * 1024 * 1024;

export function createCutter(profile: ResolvedProfile, offset: number | undefined): Cutter {
  const { hash, avgSize } = profile;
  const begin = hash === "sha256" && avgSize >= SMALLEST_AVERAGE ? runningSha256() : undefined;
  const chunker = pushChunker(profile, offset, begin !== undefined);
  return begin === undefined ? chunker : new HashingCutter(chunker, begin);
}

export function createAsyncCutter(
  profile: ResolvedProfile,
  offset: number | undefined,
): AsyncCutter {
  const digest = gatheredDigest(profile);
  if (digest === undefined) return createCutter(profile, offset);
  return new GatheringCutter(pushChunker(profile, offset, true), digest);
}

/** Returns a cutter that cuts where `chunks` says and hashes the pieces. */
export function createListedCutter(chunks: readonly Chunk[], hash: HashAlgorithm): AsyncCutter {
  const cutter = new ListedCutter(chunks);
  let [length, maxSize] = [0, 0];
  for (const chunk of chunks) {
    length += chunk.length;
    maxSize = Math.max(maxSize, chunk.length);
  }
  const digest = gatheredDigest({ hash, avgSize: length / chunks.length, maxSize });
  if (digest !== undefined) return new GatheringCutter(cutter, digest);
  return new HashingCutter(cutter, () => beginDigest(hash));
}

/** Returns a function that hashes whole chunks like these, if that is fastest here. */
function gatheredDigest({ hash, avgSize, maxSize }: Omit<ResolvedProfile, "id">) {
  if (avgSize < SHORTEST_WHOLE || maxSize > LARGEST_GATHERED) return undefined;
  return wholeDigest(hash);
}

function pushChunker(
  { id }: ResolvedProfile,
  offset: number | undefined,
  cutsOnly: boolean,
): Cutter {
  const { PushChunker } = core();
  return calling(() => new PushChunker(id, offset, cutsOnly));
}
