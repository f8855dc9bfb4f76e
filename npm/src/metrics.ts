// What this instance of the package has done since it was loaded. The WebAssembly modules count
// nothing: their results are counted where they are handed to the caller.

import { countedErrors } from "./errors.js";
import { writeChunk } from "./log.js";
import type { Codec, HashAlgorithm } from "./types.js";

/** A number of things, and of the bytes in them. */
export interface Tally {
  readonly count: number;
  readonly bytes: number;
}

/** Bytes of one direction of a codec. */
export interface CodecTally {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Totals of all uploads, also of those that failed; as in `UploadProgress`. */
export interface UploadTotals {
  /** Bytes that were chunked. */
  readonly bytesRead: number;
  /** Bytes of chunks the servers took. */
  readonly bytesSent: number;
  /** Bytes of these chunks as they were sent: fewer if they were compressed. */
  readonly bytesOnWire: number;
  /** Bytes that were not sent because the server had them or the file repeats them. */
  readonly bytesSaved: number;
  /** Chunks in `bytesRead`. */
  readonly chunks: number;
  /** Chunks in `bytesSent`. */
  readonly newChunks: number;
  /** Chunks in `bytesSaved`. */
  readonly savedChunks: number;
  /** Requests that failed and were sent again. */
  readonly retries: number;
}

/** Totals of all downloads, also of those that failed or were left. */
export interface DownloadTotals {
  /** Bytes handed to the caller or written for it, checked. */
  readonly bytesReceived: number;
  /** Bytes of chunks that came from the servers, as they were sent: fewer if they were compressed. */
  readonly bytesOnWire: number;
  /** Bytes in `bytesReceived` that were not fetched: an older file had them, or the file repeats them. */
  readonly bytesReused: number;
  /** Chunks in `bytesReceived`. */
  readonly chunks: number;
  /** Requests that failed and were sent again. */
  readonly retries: number;
}

/** Exact totals since the package was loaded into this page, worker or process; see {@link metrics}. */
export interface Metrics {
  /** Chunks handed to the caller or to an upload, by whichever way they were found. */
  readonly chunks: Readonly<Record<HashAlgorithm, Tally>>;
  /**
   * Digests by `digest` and `Hasher`, those that an upload or the upload server needs included. Those
   * of chunks are not among them.
   */
  readonly digests: Readonly<Record<HashAlgorithm, Tally>>;
  /** What was compressed. What `compressAdaptive` left as it was is not counted. */
  readonly compression: Readonly<Record<Codec, CodecTally>>;
  /** What was decompressed. Streams count as they go, also those that fail later. */
  readonly decompression: Readonly<Record<Codec, CodecTally>>;
  readonly uploads: UploadTotals;
  readonly downloads: DownloadTotals;
  /** Errors of this library that were raised, by their `code`; of 256 codes, the rest as `other`. */
  readonly errors: Readonly<Record<string, number>>;
}

type Counts<T> = { -readonly [K in keyof T]: number };

const byHash = () => ({ sha256: { count: 0, bytes: 0 }, blake3: { count: 0, bytes: 0 } });
const byCodec = () => ({
  zstd: { bytesIn: 0, bytesOut: 0 },
  lz4: { bytesIn: 0, bytesOut: 0 },
  xz: { bytesIn: 0, bytesOut: 0 },
  bzip2: { bytesIn: 0, bytesOut: 0 },
});
const ofUpload = (): Counts<UploadTotals> => ({
  bytesRead: 0,
  bytesSent: 0,
  bytesOnWire: 0,
  bytesSaved: 0,
  chunks: 0,
  newChunks: 0,
  savedChunks: 0,
  retries: 0,
});
const ofDownload = (): Counts<DownloadTotals> => ({
  bytesReceived: 0,
  bytesOnWire: 0,
  bytesReused: 0,
  chunks: 0,
  retries: 0,
});

const totals = {
  chunks: byHash(),
  digests: byHash(),
  compression: byCodec(),
  decompression: byCodec(),
  uploads: ofUpload(),
  downloads: ofDownload(),
};
/**
 * Returns exact totals since the package was loaded. They are those of the calling page, worker or
 * process: workers of a pool count nothing, their chunks are counted where they are handed out. The
 * object is a frozen copy; the difference of two is what happened between them.
 */
export function metrics(): Metrics {
  return frozenCopy({ ...totals, errors: Object.fromEntries(countedErrors) });
}

function frozenCopy<T extends object>(record: T): T {
  const copies = Object.entries(record).map(([key, value]) => [
    key,
    typeof value === "object" ? frozenCopy(value) : value,
  ]);
  return Object.freeze(Object.fromEntries(copies));
}

interface Found {
  readonly offset: number;
  readonly length: number;
}

/** Returns `chunks`, counted. */
export function countChunks<C extends Found>(hash: HashAlgorithm, chunks: C[]): C[] {
  for (const chunk of chunks) countChunk(hash, chunk);
  return chunks;
}

/** Yields `chunks` and counts those that are taken. */
export function* handedOut<C extends Found>(
  hash: HashAlgorithm,
  chunks: readonly C[],
): Generator<C, void, undefined> {
  for (const chunk of chunks) {
    countChunk(hash, chunk);
    yield chunk;
  }
}

function countChunk(hash: HashAlgorithm, chunk: Found): void {
  count(totals.chunks[hash], chunk.length);
  writeChunk(hash, chunk);
}

export function countDigest(hash: HashAlgorithm, length: number): void {
  count(totals.digests[hash], length);
}

function count(tally: Counts<Tally>, length: number): void {
  tally.count += 1;
  tally.bytes += length;
}

export function countCodec(
  direction: "compression" | "decompression",
  codec: Codec,
  bytesIn: number,
  bytesOut: number,
): void {
  const tally = totals[direction][codec];
  tally.bytesIn += bytesIn;
  tally.bytesOut += bytesOut;
}

/** The counts of one transfer; what is added to them is added to the totals as well. */
export class TransferCounts<T extends object> {
  readonly #totals: Counts<T>;
  readonly own: Counts<T>;

  constructor(own: Counts<T>, totals: Counts<T>) {
    this.own = own;
    this.#totals = totals;
  }

  add(amounts: Partial<Counts<T>>): void {
    // Once for each chunk: `Object.entries` would be a part of the whole work.
    for (const name in amounts) {
      const amount = amounts[name] ?? 0;
      this.own[name] += amount;
      this.#totals[name] += amount;
    }
  }
}

export function uploadCounts(): TransferCounts<UploadTotals> {
  return new TransferCounts(ofUpload(), totals.uploads);
}

export function downloadCounts(): TransferCounts<DownloadTotals> {
  return new TransferCounts(ofDownload(), totals.downloads);
}
