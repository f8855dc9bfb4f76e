import { type ByteArray, joined } from "../bytes.js";
import type { ChunkTable } from "./chunk-table.js";
import type { Body } from "./transport.js";
import type { UploadSource } from "./upload-source.js";
import { type Limits, packTable, tableBytes } from "./wire.js";

/** A chunk being uploaded: the first with its digest in the source. */
export interface Entry {
  readonly index: number;
  readonly length: number;
  /** Bytes of the supply that it has taken. */
  readonly room: number;
  /** Its bytes, in parts; undefined if they can be read again. */
  payload: readonly ByteArray[] | undefined;
  /** What is sent, once it is encoded; its length differs from the chunk's if it is compressed. */
  encoded?: ByteArray | undefined;
}

/** Returns the body of a pack with these `entries` of `chunks`. */
export async function packBody(
  entries: readonly Entry[],
  chunks: ChunkTable,
  source: UploadSource,
): Promise<Body> {
  const rows = entries.map(({ index, length, encoded }) => {
    const digest = chunks.digest(index);
    return { digest, length, encodedLength: encoded?.length ?? length };
  });
  const table = packTable(rows);
  const parts: (ByteArray | Blob)[] = [table];
  let length = table.length;
  for (const { encodedLength } of rows) length += encodedLength;
  for (let at = 0; at < entries.length; ) {
    const { index, payload, encoded } = entries[at] as Entry;
    at += 1;
    if (encoded !== undefined || payload !== undefined) {
      if (encoded !== undefined) parts.push(encoded);
      else parts.push(...(payload ?? []));
      continue;
    }
    // Adjacent chunks are one slice.
    const start = chunks.offsetOf(index);
    let end = start + chunks.lengthOf(index);
    for (; at < entries.length; at += 1) {
      const next = entries[at] as Entry;
      const apart = next.encoded !== undefined || next.payload !== undefined;
      if (apart || chunks.offsetOf(next.index) !== end) break;
      end += next.length;
    }
    parts.push(await source.part(start, end));
  }
  return { parts, length };
}

/** Returns how many of `entries`, from the first, make a pack of at most `most` bytes of chunks: at least one. */
export function packPrefix(entries: Iterable<Entry>, most: number, limits: Limits): number {
  let count = 0;
  let bytes = 0;
  for (const { length } of entries) {
    bytes += length;
    if (!fitsPack(count + 1, bytes, most, limits)) break;
    count += 1;
  }
  return count;
}

/** Whether `count` chunks of `bytes` in total make a pack of at most `most` bytes. A single one always does. */
export function fitsPack(count: number, bytes: number, most: number, limits: Limits): boolean {
  if (count === 1) return true;
  const { packBytes, packChunks } = limits;
  return count <= packChunks && bytes <= most && bytes + tableBytes(count) <= packBytes;
}

/** Copies a chunk to its own buffer, so that it does not keep the one it was read into. */
export function setApart(entry: Entry): void {
  if (entry.payload !== undefined) entry.payload = [joined(entry.payload)];
}
