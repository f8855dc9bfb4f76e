import { ByteQueue } from "../byte-queue.js";
import { type ByteArray, isEqual, joined, kindOf, totalLength, whole } from "../bytes.js";
import { countIntact } from "../cutter/digests.js";
import { counted, invalidArgument } from "../errors.js";
import { type Chunk, ChunkerError, Manifest, ready } from "../index.js";
import { writeLine } from "../log.js";
import { downloadCounts } from "../metrics.js";
import { checkedOptions } from "../options.js";
import { beginSpan } from "../spans.js";
import { ahead } from "./ahead.js";
import { type Codecs, loadCodecs } from "./codecs.js";
import { keyOf } from "./digest-key.js";
import { asDedupError, DedupError } from "./error.js";
import { orIdle } from "./idle.js";
import { LocalChunks, type LocalSource } from "./local.js";
import { Outgoing, type Portion } from "./outgoing.js";
import { ByteReader, readPack, type Stretch } from "./pack-reader.js";
import { platform } from "./platform.js";
import { orReason, Requests, type RetryOptions } from "./retry.js";
import { type Destination, isSeekable, type Sink, seekableSink } from "./sink.js";
import type { Transport } from "./transport.js";
import type { ChunkEncoding } from "./upload-options.js";
import {
  checkedRoot,
  DIGEST_BYTES,
  HEAD_BYTES,
  parseDownloadHead,
  type Root,
  type Row,
} from "./wire.js";

/** Options of {@link download}. */
export interface DownloadOptions {
  /** The connection to the server. */
  readonly transport: Transport;
  /** The part of the file to download, in bytes. Default: all of it. */
  readonly range?: ByteRange | undefined;
  /**
   * A local file with some of the same content, such as an older version. Chunks found in it are not
   * fetched. The file is chunked first, and its bytes are read when they are needed. In Node, it may be a
   * path.
   */
  readonly reuse?: LocalSource | undefined;
  /**
   * Lets the server send chunks compressed, as it stores them. Loads `chunker-cdc/codecs`; if
   * that fails, chunks arrive uncompressed.
   */
  readonly compression?: ChunkEncoding | undefined;
  /**
   * Limit for held chunks, in bytes: a chunk that the file repeats is held until its last use, or fetched
   * again beyond the limit. Writing to a file holds none. Default: 32 MiB.
   */
  readonly maxBytesHeld?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retry?: RetryOptions | undefined;
  /** The largest manifest accepted, in bytes. Default: 64 MiB. */
  readonly maxManifestBytes?: number | undefined;
}

/** A part of a file. */
export interface ByteRange {
  /** The first byte. Default: 0. */
  readonly start?: number | undefined;
  /** The byte after the last one. Default, and at most: the end of the file. */
  readonly end?: number | undefined;
}

/** Progress of a download. */
export interface DownloadProgress {
  /** Bytes of the file, or of the range; `undefined` until the manifest has arrived. */
  readonly totalBytes: number | undefined;
  /** Verified bytes returned to the caller or written. */
  readonly bytesReceived: number;
  /** Chunks from the server as sent, in bytes: fewer if compressed. */
  readonly bytesOnWire: number;
  /** Part of `bytesReceived` not fetched, because the local file had it or the file repeats it. */
  readonly bytesReused: number;
  /** Chunks in `bytesReceived`, each counted with its last byte. */
  readonly chunks: number;
  readonly retries: number;
}

const DOWNLOAD_KEYS = [
  "transport",
  "range",
  "reuse",
  "compression",
  "maxBytesHeld",
  "signal",
  "onProgress",
  "retry",
  "maxManifestBytes",
] as const;
const DEFAULT_MAX_BYTES_HELD = 32 * 1024 * 1024;
const DEFAULT_MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/**
 * Returns a download of the file named `root`. It starts when it is read or written:
 *
 * ```ts
 * for await (const bytes of download(root, { transport })) …            // a piece at a time
 * await download(root, { transport }).stream().pipeTo(writable);
 * await download(root, { transport, reuse: "v1.img" }).writeTo("v2.img");
 * ```
 *
 * The manifest is verified against `root`, and each chunk against the manifest before it is returned, so the
 * result is what was committed, whatever the server sends. Without `reuse`, the manifest and the chunks arrive
 * in one streamed answer, each chunk once. If it breaks off, the download requests only the rest.
 *
 * Reading and writing throw a `ChunkerError` (`aborted`, `chunk_digest_mismatch`, `invalid_manifest`, …)
 * or a {@link DedupError}.
 *
 * @throws {ChunkerError} `invalid_argument`.
 */
export function download(root: string, options: DownloadOptions): Download {
  return new Download(root, options);
}

/** A download; see {@link download}. It can be read or written once. */
export class Download implements AsyncIterable<ByteArray> {
  readonly #name: string;
  readonly #root: Root;
  readonly #options: DownloadOptions;
  readonly #transport: Transport;
  readonly #requests: Requests;
  readonly #counts = downloadCounts();
  #totalBytes: number | undefined;
  /** Settles when the module is loaded, which a manifest needs. */
  #ready: Promise<void> | undefined;
  #codecs: Codecs | undefined;
  #readDigests: number | undefined;
  #begun = false;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(root: string, options: DownloadOptions) {
    checkedOptions(options, DOWNLOAD_KEYS);
    const parsed = checkedRoot(root);
    const { transport, retry, range, compression } = options;
    if (typeof transport?.readChunks !== "function") {
      throw invalidArgument(`transport is ${kindOf(transport)} (expected a Transport)`);
    }
    checkRange(range);
    if (compression !== undefined && compression !== "zstd") {
      throw invalidArgument(`compression is ${compression} (expected "zstd")`);
    }
    this.#name = root;
    this.#root = parsed;
    this.#options = options;
    this.#transport = transport;
    this.#requests = new Requests(retry, () => this.#counts.add({ retries: 1 }));
  }

  get progress(): DownloadProgress {
    return { totalBytes: this.#totalBytes, ...this.#counts.own };
  }

  /** Yields the bytes in order, in pieces of any length. The caller owns them. */
  [Symbol.asyncIterator](): AsyncGenerator<ByteArray, void, undefined> {
    return this.#running((parts) => this.#inOrder(parts));
  }

  /** Returns the bytes in order as a stream. */
  stream(): ReadableStream<ByteArray> {
    const pieces = this[Symbol.asyncIterator]();
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: async () => {
          // A piece that never arrives must not delay this.
          this.#requests.stop(new ChunkerError("aborted", "the download was cancelled"));
          await pieces.return();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * Writes the bytes and closes `destination`: a stream, a `FileSystemWritableFileStream`, or in Node the
   * path of a file, which appears, or is replaced, once it is complete and on the disk. The last two are
   * written in any order, so repeated chunks need no memory.
   */
  async writeTo(destination: Destination): Promise<DownloadProgress> {
    const sink = await sinkFor(destination);
    if (sink === undefined) {
      await this.stream().pipeTo(destination as WritableStream<Uint8Array>);
      return this.progress;
    }
    try {
      for await (const _ of this.#running((parts) => this.#anywhere(parts, sink)));
      await sink.close(this.#totalBytes ?? 0);
      return this.progress;
    } catch (error) {
      // The first error says more than one of the cleanup.
      await sink.abort(error).catch(() => {});
      throw error;
    }
  }

  /** Prepares what `read` needs, and cleans up after it. */
  async *#running<T>(
    read: (parts: Parts) => AsyncGenerator<T>,
  ): AsyncGenerator<T, void, undefined> {
    if (this.#begun) throw invalidArgument("the download was already read or written");
    this.#begun = true;
    const { signal, reuse, range } = this.#options;
    const requests = this.#requests;
    const onAbort = () =>
      requests.stop(new ChunkerError("aborted", "the download was aborted by its signal"));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const endSpan = beginSpan("info", "download");
    let manifest: Manifest | undefined;
    let opened: Opened | undefined;
    let local: LocalChunks | undefined;
    try {
      requests.throwIfStopped();
      this.#ready = ready();
      this.#ready.catch(() => {}); // reported once the manifest arrives
      await this.#loadCodecs();
      if (reuse === undefined) {
        opened = await this.#open();
        manifest = opened.manifest;
      } else {
        [manifest] = await Promise.all([this.#manifest(), this.#mostDigests()]);
        const finding = LocalChunks.find(reuse, manifest, requests.signal);
        const close = (found: LocalChunks) => void found.close().catch(() => {});
        local = await orReason(finding, requests.signal, close);
      }
      const parts = partsOf(manifest, range);
      this.#totalBytes = parts.end - parts.start;
      yield* read({ ...parts, opened, local });
      writeLine("info", "download_finished", this.#counts.own);
    } catch (error) {
      requests.throwIfStopped();
      throw counted(error);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      // Ends requests in progress if the consumer stops early.
      requests.stop(new ChunkerError("aborted", "the download was not read to the end"));
      opened?.end();
      manifest?.[Symbol.dispose]();
      await local?.close().catch(() => {});
      endSpan(this.#counts.own);
    }
  }

  async #manifest(): Promise<Manifest> {
    const maxBytes = this.#maxManifestBytes;
    const bytes = await this.#requests.run((signal) =>
      this.#transport.getManifest(this.#name, { signal, maxBytes }),
    );
    return this.#verified(bytes);
  }

  get #maxManifestBytes(): number {
    return this.#options.maxManifestBytes ?? DEFAULT_MAX_MANIFEST_BYTES;
  }

  async #verified(bytes: Uint8Array): Promise<Manifest> {
    await this.#ready;
    const maxBytes = this.#maxManifestBytes;
    const manifest = Manifest.parse(bytes, { maxBytes });
    const { hash, digest } = this.#root;
    if (manifest.hash !== hash || !isEqual(manifest.rootDigest, digest)) {
      throw new DedupError(
        "digest_mismatch",
        `the server sent a manifest other than ${this.#name}`,
      );
    }
    return manifest;
  }

  /** Requests the manifest and the chunks in one answer; returns once the manifest is verified. */
  async #open(): Promise<Opened> {
    let isVerified = false;
    for (const attempts = this.#requests.attempts(); ; ) {
      let answer: Answer | undefined;
      try {
        answer = await this.#requestFile(isVerified);
        return { ...answer, manifest: await this.#manifestIn(answer) };
      } catch (error) {
        answer?.end();
        this.#requests.throwIfStopped();
        await attempts.failed(error);
        // If the server cannot send its copy of a chunk, it may have another one.
        isVerified ||= answer !== undefined || asDedupError(error)?.code === "chunk_damaged";
      }
    }
  }

  #requestFile(isVerified: boolean): Promise<Answer> {
    const { range = {} } = this.#options;
    const form = this.#form(isVerified);
    return this.#begin((signal) =>
      this.#transport.readFile(this.#name, { signal, range, ...form }),
    );
  }

  async #manifestIn({ reader }: Answer): Promise<Manifest> {
    const length = parseDownloadHead(await reader.take(HEAD_BYTES));
    const most = this.#maxManifestBytes;
    if (length > most) {
      throw new ChunkerError(
        "manifest_too_large",
        `manifest is ${length} bytes long, above the limit of ${most}`,
      );
    }
    return this.#verified(await reader.take(length));
  }

  /** Sends a request, and returns its answer, which ends when the download ends if not before. */
  async #begin(send: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>): Promise<Answer> {
    const { signal: outer } = this.#requests;
    const request = new AbortController();
    const onStop = () => request.abort(outer.reason);
    if (outer.aborted) onStop();
    outer.addEventListener("abort", onStop, { once: true });
    let reader: ByteReader | undefined;
    const end = () => {
      outer.removeEventListener("abort", onStop);
      request.abort(new ChunkerError("aborted", "the answer was not read to the end"));
      reader?.end();
    };
    try {
      reader = new ByteReader(await orReason(send(request.signal), request.signal), request.signal);
      return { reader, end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Yields the bytes of all parts in order. */
  async *#inOrder(parts: Parts): AsyncGenerator<ByteArray> {
    const { maxBytesHeld = DEFAULT_MAX_BYTES_HELD } = this.#options;
    const { chunks, local } = parts;
    const { ways, fetched } = planned(chunks, local, maxBytesHeld);
    const held = new Map<string, ByteArray>();
    const outgoing = new Outgoing();
    const arrivals = new Arrivals(this.#fetch(fetched, parts.opened));
    try {
      for (let at = 0; at < chunks.length; ) {
        const chunk = chunks[at] as Chunk;
        const way = ways[at] as Way;
        let isReused = true;
        let pieces: Pieces;
        if (isFetched(way)) {
          const taking = arrivals.take((index) => isFetched(ways[at + index]));
          if (!outgoing.isEmpty && (await orIdle(taking)) === undefined) {
            yield* this.#handOn(outgoing.rest());
          }
          const taken = await taking;
          pieces = taken.pieces;
          isReused = false;
          const queue = new ByteQueue(pieces);
          for (const [index, { hash, length }] of chunks.slice(at, at + taken.count).entries()) {
            const own = queue.take(length);
            if (ways[at + index] === "hold") held.set(keyOf(hash), joined(own));
          }
        } else if (way === "local") {
          pieces = [await this.#readLocal(parts, chunk)];
        } else {
          const key = keyOf(chunk.hash);
          pieces = [held.get(key) as ByteArray];
          if (way === "last") held.delete(key);
        }
        let end = Math.max(chunk.offset, parts.start);
        for (const piece of partOf(parts, chunk.offset, pieces)) {
          const bytes = way === "held" ? piece.slice() : piece;
          end += bytes.length;
          const first = at;
          while (at < chunks.length && endOf(parts, chunks[at] as Chunk) <= end) at += 1;
          const reused = isReused ? bytes.length : 0;
          yield* this.#handOn(outgoing.add({ bytes, reused, chunks: at - first }));
        }
      }
      yield* this.#handOn(outgoing.rest());
      await arrivals.finish();
    } catch (error) {
      // Verified bytes are handed on before the error.
      yield* this.#handOn(outgoing.rest());
      throw error;
    } finally {
      // Not awaited: if the consumer leaves while we wait for chunks, it settles only once the requests are stopped.
      arrivals.end().catch(() => {});
    }
  }

  *#handOn(portions: Iterable<Portion>): Generator<ByteArray, void, undefined> {
    for (const { bytes, reused, chunks } of portions) {
      this.#received(bytes.length, reused, chunks);
      yield bytes;
    }
  }

  /** Writes each chunk to its place as soon as it arrives. */
  async *#anywhere(parts: Parts, sink: Sink): AsyncGenerator<never> {
    const { local, start } = parts;
    const places = new Map<string, Chunk[]>();
    for (const chunk of parts.chunks) {
      const key = keyOf(chunk.hash);
      const equal = places.get(key);
      if (equal === undefined) places.set(key, [chunk]);
      else equal.push(chunk);
    }
    const write = async (offset: number, pieces: Pieces, count: number, isReused: boolean) => {
      const inside = partOf(parts, offset, pieces);
      const place = Math.max(offset - start, 0);
      await orReason(sink.write(place, inside), this.#requests.signal);
      const length = totalLength(inside);
      this.#received(length, isReused ? length : 0, count);
    };
    const absent: (readonly Chunk[])[] = [];
    for (const equal of places.values()) {
      const { hash, length } = equal[0] as Chunk;
      const reading = local?.read(hash, length) ?? Promise.resolve(undefined);
      const payload = await orReason(reading, this.#requests.signal);
      if (payload === undefined) absent.push(equal);
      else for (const { offset } of equal) await write(offset, [payload], 1, true);
    }
    const fetched = absent.map(([chunk]) => chunk as Chunk);
    const arrivals = new Arrivals(this.#fetch(fetched, parts.opened));
    try {
      for (let at = 0; at < absent.length; ) {
        const { offset } = fetched[at] as Chunk;
        // Adjacent chunks are written together.
        const { count, pieces } = await arrivals.take((index, bytes) => {
          return fetched[at + index]?.offset === offset + bytes;
        });
        await write(offset, pieces, count, false);
        const queue = new ByteQueue(pieces);
        for (const [first, ...others] of absent.slice(at, at + count)) {
          const own = queue.take((first as Chunk).length);
          for (const { offset } of others) await write(offset, own, 1, true);
        }
        at += count;
      }
      await arrivals.finish();
    } finally {
      await arrivals.end();
    }
  }

  async #readLocal({ local }: Parts, chunk: Chunk): Promise<ByteArray> {
    const reading = local?.read(chunk.hash, chunk.length) ?? Promise.resolve(undefined);
    const payload = await orReason(reading, this.#requests.signal);
    if (payload !== undefined) return payload;
    // The local file has changed since it was chunked.
    const arrivals = new Arrivals(this.#fetch([chunk]));
    try {
      return whole((await arrivals.take(() => false)).pieces);
    } finally {
      await arrivals.end();
    }
  }

  #received(bytesReceived: number, bytesReused: number, chunks = 1): void {
    this.#counts.add({ bytesReceived, bytesReused, chunks });
    this.#options.onProgress?.(this.progress);
    this.#requests.throwIfStopped();
  }

  /**
   * Yields `chunks`, verified: first those of `opened`, then the rest, in as few requests as the server allows.
   */
  async *#fetch(
    chunks: readonly Chunk[],
    opened?: Opened,
  ): AsyncGenerator<Arrival, void, undefined> {
    const attempts = this.#requests.attempts();
    let isVerified = false;
    let isFirst = opened !== undefined;
    for (let next = 0; next < chunks.length || isFirst; ) {
      const answer = isFirst ? opened : undefined;
      isFirst = false;
      const most = answer === undefined ? await this.#mostDigests() : Number.POSITIVE_INFINITY;
      const batch = distinct(chunks, next, most);
      const first = next;
      let isWrong = false;
      try {
        const arriving = this.#request(batch, isVerified, answer);
        for await (const { failure, bytesOnWire, ...arrival } of arriving) {
          if (arrival.chunks.length > 0) {
            this.#counts.add({ bytesOnWire });
            attempts.succeeded();
            next += arrival.chunks.length;
            yield arrival;
          }
          if (failure === undefined) continue;
          // The server did not notice that a chunk is wrong; it will if it verifies the digest.
          isWrong = !isVerified && asDedupError(failure) === undefined;
          throw failure;
        }
      } catch (error) {
        this.#requests.throwIfStopped();
        if (!isWrong) await attempts.failed(error);
        // If the server cannot send its copy of a chunk, it may have another one.
        isVerified = isWrong || next === first;
      }
    }
  }

  /** Yields the chunks of one request, verified while others arrive. */
  async *#request(
    batch: readonly Chunk[],
    isVerified: boolean,
    opened: Opened | undefined,
  ): AsyncGenerator<Checked, void, undefined> {
    const { reader, end } = opened ?? (await this.#requestChunks(batch, isVerified));
    let next = 0;
    try {
      const stretches = readPack(reader, batch, opened?.manifest.chunks.length);
      const lengthOf = ({ rows }: Stretch) => totalLength(rows);
      yield* ahead(stretches, BYTES_AHEAD, lengthOf, (stretch) => {
        const chunks = batch.slice(next, next + stretch.rows.length);
        next += chunks.length;
        return this.#checked(stretch, chunks, isVerified ? undefined : this.#codecs);
      });
    } finally {
      end();
    }
  }

  #requestChunks(batch: readonly Chunk[], isVerified: boolean): Promise<Answer> {
    const digests = new Uint8Array(DIGEST_BYTES * batch.length);
    for (const [at, { hash }] of batch.entries()) digests.set(hash, DIGEST_BYTES * at);
    const { hash } = this.#root;
    const form = this.#form(isVerified);
    return this.#begin((signal) => this.#transport.readChunks(hash, digests, { signal, ...form }));
  }

  /** Returns the chunks of a stretch up to the first damaged one, and what is wrong with it. */
  async #checked(
    { rows, parts }: Stretch,
    chunks: readonly Chunk[],
    codecs: Codecs | undefined,
  ): Promise<Checked> {
    let { pieces, count, failure } = await decoded(rows, parts, chunks, codecs);
    const intact = await countIntact(this.#root.hash, pieces, chunks.slice(0, count));
    if (intact < count) {
      const message = `the bytes received for chunk ${chunks[intact]?.hashHex} do not match its digest`;
      failure = new ChunkerError("chunk_digest_mismatch", message);
      count = intact;
      pieces = new ByteQueue(pieces).take(totalLength(chunks.slice(0, count)));
    }
    let bytesOnWire = 0;
    for (const { encodedLength } of rows.slice(0, count)) bytesOnWire += encodedLength;
    return { chunks: chunks.slice(0, count), pieces, bytesOnWire, failure };
  }

  /** Returns how many chunks one request may ask for. */
  async #mostDigests(): Promise<number> {
    this.#readDigests ??= (
      await this.#requests.run((signal) => this.#transport.limits({ signal }))
    ).readDigests;
    return this.#readDigests;
  }

  async #loadCodecs(): Promise<void> {
    if (this.#options.compression === undefined) return;
    this.#codecs = await loadCodecs().catch(() => undefined);
  }

  /** Returns how to ask for chunks: fast, or verified by the server. */
  #form(isVerified: boolean): { readonly encoding?: "zstd"; readonly verify?: "digest" } {
    if (isVerified) return { verify: "digest" };
    return this.#codecs === undefined ? {} : { encoding: "zstd" };
  }
}

/** The part of a file to download, and where it comes from. */
interface Parts {
  /** The chunks that overlap it, in order. */
  readonly chunks: readonly Chunk[];
  /** Offset of its first byte. `end` is the offset after its last one. */
  readonly start: number;
  readonly end: number;
  readonly local: LocalChunks | undefined;
  readonly opened: Opened | undefined;
}

/** An answer that is being read. */
interface Answer {
  readonly reader: ByteReader;
  readonly end: () => void;
}

/** An answer whose manifest was read; its chunks follow. */
interface Opened extends Answer {
  readonly manifest: Manifest;
}

/**
 * Where a chunk comes from: the local file (`local`), the server (`fetch`, or `hold` to keep it for later), or
 * the held chunks (`held`, or `last` to drop it afterwards).
 */
type Way = "local" | "fetch" | "hold" | "held" | "last";

/** Plans how to get `chunks` in order while holding at most `most` bytes. */
function planned(
  chunks: readonly Chunk[],
  local: LocalChunks | undefined,
  most: number,
): { readonly ways: readonly Way[]; readonly fetched: readonly Chunk[] } {
  const keys = chunks.map(({ hash }) => keyOf(hash));
  const left = new Map<string, number>();
  for (const key of keys) left.set(key, (left.get(key) ?? 0) + 1);
  const held = new Set<string>();
  let bytes = 0;
  const fetched: Chunk[] = [];
  const ways = chunks.map((chunk, at): Way => {
    const { hash, length } = chunk;
    const key = keys[at] as string;
    const later = (left.get(key) ?? 1) - 1;
    left.set(key, later);
    if (local?.has(hash)) return "local";
    if (held.has(key)) {
      if (later > 0) return "held";
      held.delete(key);
      bytes -= length;
      return "last";
    }
    fetched.push(chunk);
    if (later === 0 || bytes + length > most) return "fetch";
    held.add(key);
    bytes += length;
    return "hold";
  });
  return { ways, fetched };
}

/** Returns at most `most` chunks from index `start` on, none of them twice. */
function distinct(chunks: readonly Chunk[], start: number, most: number): readonly Chunk[] {
  const seen = new Set<string>();
  let end = start;
  for (; end < chunks.length && end - start < most; end += 1) {
    const key = keyOf((chunks[end] as Chunk).hash);
    if (seen.has(key)) break;
    seen.add(key);
  }
  return chunks.slice(start, end);
}

function partsOf(manifest: Manifest, range: ByteRange = {}) {
  const { chunks, totalLength } = manifest;
  const { start = 0 } = range;
  const end = Math.min(range.end ?? totalLength, totalLength);
  if (start > end) throw invalidArgument(`range starts at ${start}, after its end ${end}`);
  const wanted = chunks.filter(({ offset, length }) => offset < end && offset + length > start);
  return { chunks: start === end ? [] : wanted, start, end };
}

/** Returns the part of `pieces`, which start at `offset`, that is within the range. */
function partOf({ start, end }: Parts, offset: number, pieces: Pieces): Pieces {
  const length = totalLength(pieces);
  if (offset >= start && offset + length <= end) return pieces;
  const queue = new ByteQueue(pieces);
  queue.take(start - offset);
  return queue.take(end - Math.max(start, offset));
}

/** Returns where a chunk ends in the part that is downloaded, as an offset in the file. */
function endOf({ end }: Parts, { offset, length }: Chunk): number {
  return Math.min(offset + length, end);
}

/** The bytes of consecutive chunks, in pieces of any length. */
type Pieces = readonly ByteArray[];

/** Consecutive chunks of those requested, verified. */
interface Arrival {
  readonly chunks: readonly Chunk[];
  readonly pieces: Pieces;
}

/** The same, and what is wrong with the chunk after them, if anything. */
interface Checked extends Arrival {
  readonly bytesOnWire: number;
  readonly failure: unknown;
}

/** Limit for bytes verified or held for the consumer while others arrive. A single chunk may exceed it. */
const BYTES_AHEAD = 4 * 1024 * 1024;

/** Hands out arrived chunks, as many at a time as the consumer can use. */
class Arrivals {
  readonly #arriving: AsyncGenerator<Arrival, void, undefined>;
  #chunks: readonly Chunk[] = [];
  /** Index in `#chunks` of the next chunk, whose bytes come first in `#queue`. */
  #next = 0;
  readonly #queue = new ByteQueue();

  constructor(arriving: AsyncGenerator<Arrival, void, undefined>) {
    this.#arriving = arriving;
  }

  /**
   * Returns the next chunk, together with those after it that have arrived, as long as `goesOn` accepts. It is
   * called with the number of chunks and bytes so far.
   */
  async take(goesOn: (count: number, bytes: number) => boolean) {
    if (this.#next === this.#chunks.length) {
      const { done, value } = await this.#arriving.next();
      if (done) {
        const message = "the server sent fewer chunks than it announced";
        throw new DedupError("protocol_error", message);
      }
      this.#chunks = value.chunks;
      this.#next = 0;
      for (const piece of value.pieces) this.#queue.push(piece);
    }
    let [count, bytes] = [0, 0];
    do {
      bytes += this.#chunks[this.#next]?.length ?? 0;
      count += 1;
      this.#next += 1;
    } while (this.#next < this.#chunks.length && goesOn(count, bytes));
    return { count, pieces: this.#queue.take(bytes) };
  }

  /** Lets the last answer end after its last chunk, so that its connection is kept. */
  async finish(): Promise<void> {
    await this.#arriving.next();
  }

  async end(): Promise<void> {
    await this.#arriving.return();
  }
}

/** Returns the decoded chunks of a stretch up to the first that cannot be decoded, and the reason. */
async function decoded(
  rows: readonly Row[],
  parts: Pieces,
  chunks: readonly Chunk[],
  codecs: Codecs | undefined,
): Promise<{ pieces: Pieces; count: number; failure: unknown }> {
  const isPlain = rows.every(({ length, encodedLength }) => length > 0 && length === encodedLength);
  if (isPlain) return { pieces: parts, count: rows.length, failure: undefined };
  const queue = new ByteQueue(parts);
  const pieces: ByteArray[] = [];
  let count = 0;
  try {
    for (const { length, encodedLength } of rows) {
      const encoded = queue.take(encodedLength);
      if (encodedLength > 0 && encodedLength === length) pieces.push(...encoded);
      else pieces.push(await decompressed(whole(encoded), chunks[count] as Chunk, codecs));
      count += 1;
    }
    return { pieces, count, failure: undefined };
  } catch (failure) {
    return { pieces, count, failure };
  }
}

async function decompressed(
  encoded: ByteArray,
  { hashHex, length }: Chunk,
  codecs: Codecs | undefined,
): Promise<ByteArray> {
  if (encoded.length === 0) {
    throw new DedupError("chunk_not_found", `the server does not have chunk ${hashHex}`);
  }
  if (codecs === undefined) {
    throw new DedupError(
      "protocol_error",
      "the server sent a compressed chunk, but none was requested",
    );
  }
  const payload = await codecs.decompress("zstd", encoded, { maxOutput: length });
  if (payload.length !== length) {
    const message = `chunk ${hashHex} has ${payload.length} bytes (expected ${length})`;
    throw new ChunkerError("chunk_length_mismatch", message);
  }
  return payload as ByteArray;
}

function isFetched(way: Way | undefined): boolean {
  return way === "fetch" || way === "hold";
}

async function sinkFor(destination: Destination): Promise<Sink | undefined> {
  if (typeof destination === "string") {
    const { writeFile } = platform();
    if (writeFile === undefined) {
      throw invalidArgument("destination is a path, but only Node can write files by path");
    }
    return writeFile(destination);
  }
  if (typeof destination?.getWriter !== "function") {
    throw invalidArgument(
      `destination is ${kindOf(destination)} (expected a path or a WritableStream)`,
    );
  }
  return isSeekable(destination) ? seekableSink(destination) : undefined;
}

function checkRange(range: ByteRange | undefined): void {
  const { start = 0, end = Number.MAX_SAFE_INTEGER } = checkedOptions(range, ["start", "end"]);
  for (const [name, place] of Object.entries({ start, end })) {
    if (!Number.isSafeInteger(place) || place < 0) {
      throw invalidArgument(`range.${name} is ${place} (expected an integer from 0 to 2^53-1)`);
    }
  }
}
