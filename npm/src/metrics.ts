// Totals of this instance of the package since it was loaded. The WebAssembly modules count nothing:
// results are counted where they are returned to the caller.

import { countedErrors } from "./errors.js";
import { writeChunk } from "./log.js";
import type { Codec, HashAlgorithm } from "./types.js";

/** A number of items and their bytes. */
export interface Tally {
  readonly count: number;
  readonly bytes: number;
}

/** Bytes that went into and came out of a codec. */
export interface CodecTally {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Totals of all uploads, including failed ones; the fields of `UploadProgress`. */
export interface UploadTotals {
  /** Bytes chunked. */
  readonly bytesRead: number;
  /** Bytes of the chunks that servers accepted. */
  readonly bytesSent: number;
  /** The same chunks as sent: fewer bytes if compressed. */
  readonly bytesOnWire: number;
  /** Bytes not sent, because the server had them or the file repeats them. */
  readonly bytesSaved: number;
  /** Chunks in `bytesRead`. */
  readonly chunks: number;
  /** Chunks in `bytesSent`. */
  readonly newChunks: number;
  /** Chunks in `bytesSaved`. */
  readonly savedChunks: number;
  /** Requests that were sent again after a failure. */
  readonly retries: number;
}

/** Totals of all downloads, including failed and abandoned ones. */
export interface DownloadTotals {
  /** Verified bytes returned to the caller or written to a file. */
  readonly bytesReceived: number;
  /** Chunks from servers as sent: fewer bytes if compressed. */
  readonly bytesOnWire: number;
  /** Part of `bytesReceived` not fetched, because an older file had it or the file repeats it. */
  readonly bytesReused: number;
  /** Chunks in `bytesReceived`. */
  readonly chunks: number;
  /** Requests that were sent again after a failure. */
  readonly retries: number;
}

/** Exact totals since this page, worker or process loaded the package; see {@link metrics}. */
export interface Metrics {
  /** Chunks returned to the caller or uploaded, however they were found. */
  readonly chunks: Readonly<Record<HashAlgorithm, Tally>>;
  /**
   * Digests by `digest` and `Hasher`, including those that uploads and the upload server need, but not
   * those of chunks.
   */
  readonly digests: Readonly<Record<HashAlgorithm, Tally>>;
  /** Compressed data, without what `compressAdaptive` left uncompressed. */
  readonly compression: Readonly<Record<Codec, CodecTally>>;
  /** Decompressed data. Streams count as they run, even if they fail later. */
  readonly decompression: Readonly<Record<Codec, CodecTally>>;
  readonly uploads: UploadTotals;
  readonly downloads: DownloadTotals;
  /** Errors raised by this library, by `code`: up to 256 codes, then `other`. */
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
 * Returns exact totals since the calling page, worker or process loaded the package. Workers of a pool
 * count nothing; their chunks are counted where they are returned. The result is a frozen copy:
 * subtract two to see what happened in between.
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

/** Counts `chunks` and returns them. */
export function countChunks<C extends Found>(hash: HashAlgorithm, chunks: C[]): C[] {
  for (const chunk of chunks) countChunk(hash, chunk);
  return chunks;
}

/**
 * Yields `chunks`, and counts each as it is taken. Loop over it in an asynchronous generator: there, `yield*` costs two
 * more promises per chunk.
 */
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

/** The counts of one transfer, which also add to the totals. */
export class TransferCounts<T extends object> {
  readonly #totals: Counts<T>;
  readonly own: Counts<T>;

  constructor(own: Counts<T>, totals: Counts<T>) {
    this.own = own;
    this.#totals = totals;
  }

  add(amounts: Partial<Counts<T>>): void {
    // Called for each chunk: `Object.entries` would show in a profile.
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
