// Which chunks a download needs, and where each comes from.

import { ByteQueue } from "../byte-queue.js";
import { totalLength } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import type { Chunk, Manifest } from "../index.js";
import type { Pieces } from "./arrivals.js";
import { tableFor } from "./digest-table.js";
import type { ByteRange } from "./download-options.js";
import type { LocalChunks } from "./local.js";

/** The part of a file to download. */
export interface Part {
  /** The chunks that overlap it, in order. */
  readonly chunks: readonly Chunk[];
  /** Offset of its first byte. */
  readonly start: number;
  /** Offset after its last byte. */
  readonly end: number;
}

/** Returns the part of a file that `range` selects. */
export function selectedPart(manifest: Manifest, range: ByteRange = {}): Part {
  const { chunks, totalLength } = manifest;
  const { start = 0 } = range;
  const end = Math.min(range.end ?? totalLength, totalLength);
  if (start > end) throw invalidArgument(`range starts at ${start}, after its end ${end}`);
  const wanted = chunks.filter(({ offset, length }) => offset < end && offset + length > start);
  return { chunks: start === end ? [] : wanted, start, end };
}

/** Returns `pieces`, which start at `offset` in the file, without what lies outside the part. */
export function within({ start, end }: Part, offset: number, pieces: Pieces): Pieces {
  const length = totalLength(pieces);
  if (offset >= start && offset + length <= end) return pieces;
  const queue = new ByteQueue(pieces);
  queue.take(start - offset);
  return queue.take(end - Math.max(start, offset));
}

/** Returns where a chunk ends in the part that is downloaded, as an offset in the file. */
export function endOf({ end }: Part, { offset, length }: Chunk): number {
  return Math.min(offset + length, end);
}

/**
 * Where a chunk comes from: the local file (`local`), the server (`fetch`, or `hold` to keep it for later), or
 * the held chunks (`held`, or `last` to drop it afterwards).
 */
export type Way = "local" | "fetch" | "hold" | "held" | "last";

/** How to get chunks. */
interface Plan {
  readonly ways: readonly Way[];
  /** For each chunk, the index of the first one equal to it. */
  readonly firsts: Uint32Array;
  /** The chunks to fetch, in order. */
  readonly fetched: readonly Chunk[];
}

/** Plans how to get `chunks` in order while holding at most `most` bytes. */
export function planned(
  chunks: readonly Chunk[],
  local: LocalChunks | undefined,
  most: number,
): Plan {
  const firsts = firstsOf(chunks);
  /** For each first chunk, how many of those equal to it are left. */
  const left = new Uint32Array(chunks.length);
  for (const first of firsts) left[first] = (left[first] ?? 0) + 1;
  const held = new Set<number>();
  let bytes = 0;
  const fetched: Chunk[] = [];
  const ways = chunks.map((chunk, at): Way => {
    const { hash, length } = chunk;
    const first = firsts[at] ?? at;
    const later = (left[first] ?? 1) - 1;
    left[first] = later;
    if (local?.has(hash)) return "local";
    if (held.has(first)) {
      if (later > 0) return "held";
      held.delete(first);
      bytes -= length;
      return "last";
    }
    fetched.push(chunk);
    if (later === 0 || bytes + length > most) return "fetch";
    held.add(first);
    bytes += length;
    return "hold";
  });
  return { ways, firsts, fetched };
}

/** Returns for each chunk the index of the first one equal to it. */
export function firstsOf(chunks: readonly Chunk[]): Uint32Array {
  const table = tableFor(chunks);
  return Uint32Array.from(chunks, ({ hash }) => table.add(hash));
}

/** Returns at most `most` chunks from index `start` on, none of them twice. */
export function distinct(chunks: readonly Chunk[], start: number, most: number): readonly Chunk[] {
  const rest = chunks.slice(start, start + most);
  const table = tableFor(rest);
  const repeated = rest.findIndex(({ hash }, index) => table.add(hash) !== index);
  return repeated < 0 ? rest : rest.slice(0, repeated);
}

/** Whether a chunk comes from the server. */
export function isFetched(way: Way | undefined): boolean {
  return way === "fetch" || way === "hold";
}
