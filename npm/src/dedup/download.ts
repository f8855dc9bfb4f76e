import { digestOf } from "../cutter/digests.js";
import { counted, invalidArgument } from "../errors.js";
import { type Chunk, ChunkerError, Manifest } from "../index.js";
import { writeLine } from "../log.js";
import { downloadCounts } from "../metrics.js";
import { checkedOptions } from "../options.js";
import { keyOf } from "./chunk-table.js";
import { type Codecs, loadCodecs } from "./codecs.js";
import { DedupError } from "./error.js";
import { LocalChunks, type LocalSource } from "./local.js";
import { type Received, readPack } from "./pack-reader.js";
import { platform } from "./platform.js";
import { orReason, Requests, type RetryOptions } from "./retry.js";
import { type Destination, isSeekable, type Sink, seekableSink } from "./sink.js";
import type { Transport } from "./transport.js";
import type { ChunkEncoding } from "./upload-options.js";
import { DIGEST_BYTES, parseRoot, type Root } from "./wire.js";

/** How {@link download} works. */
export interface DownloadOptions {
  /** The way to the server. */
  readonly transport: Transport;
  /** The part of the file that is wanted, in bytes. Default: all of it. */
  readonly range?: ByteRange | undefined;
  /**
   * A file of this machine with some of the same content, for example an older version: what it has is
   * not fetched. It is cut first, then read where its bytes are needed. In Node it may be a path.
   */
  readonly reuse?: LocalSource | undefined;
  /**
   * Lets the server send chunks compressed that it has so. Loads `chunker-cdc/codecs`; where that cannot
   * be loaded chunks come as they are.
   */
  readonly compression?: ChunkEncoding | undefined;
  /**
   * Bytes of chunks that are held because the file repeats them. Beyond it a chunk is fetched again. What
   * is written to a file needs none. Default 32 MiB.
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
  /** The first byte behind it. Default, and at most: the end of the file. */
  readonly end?: number | undefined;
}

/** Where a download stands. */
export interface DownloadProgress {
  /** Bytes of the file, or of its range; `undefined` until the manifest is there. */
  readonly totalBytes: number | undefined;
  /** Bytes handed on, checked. */
  readonly bytesReceived: number;
  /** Bytes of chunks that came from the server, as they were sent: fewer if they were compressed. */
  readonly bytesOnWire: number;
  /** Bytes in `bytesReceived` that were not fetched: an older file had them, or the file repeats them. */
  readonly bytesReused: number;
  /** Chunks in `bytesReceived`. */
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

type Payload = Uint8Array<ArrayBuffer>;

/**
 * Returns a download of the file that `root` names. It begins when it is read or written:
 *
 * ```ts
 * for await (const bytes of download(root, { transport })) …            // a piece at a time
 * await download(root, { transport }).stream().pipeTo(writable);
 * await download(root, { transport, reuse: "v1.img" }).writeTo("v2.img");
 * ```
 *
 * The manifest is checked against `root` and each chunk against the manifest before it is handed on, so
 * that at the end the whole is what was committed, whatever the server sent. Chunks come in few streamed
 * requests, each one once; one that is cut goes on where it was.
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
export class Download implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #name: string;
  readonly #root: Root;
  readonly #options: DownloadOptions;
  readonly #transport: Transport;
  readonly #requests: Requests;
  readonly #counts = downloadCounts();
  #totalBytes: number | undefined;
  #begun = false;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(root: string, options: DownloadOptions) {
    checkedOptions(options, DOWNLOAD_KEYS);
    const parsed = parseRoot(root);
    if (parsed === undefined) {
      throw invalidArgument("a root is sha256- or blake3- and 64 lowercase hexadecimal digits");
    }
    const { transport, retry, range, compression } = options;
    if (typeof transport?.readChunks !== "function") {
      throw invalidArgument("transport is not a Transport");
    }
    checkRange(range);
    if (compression !== undefined && compression !== "zstd") {
      throw invalidArgument(`compression must be "zstd", not ${compression}`);
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

  /** Yields the bytes in order, a chunk or several short ones at a time; they are the caller's own. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    return this.#running((parts) => this.#inOrder(parts));
  }

  /** Returns the bytes in order as a stream. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const pieces = this[Symbol.asyncIterator]();
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: async () => {
          // A piece that is waited for must not hold it up.
          this.#requests.stop(new ChunkerError("aborted", "the download was cancelled"));
          await pieces.return();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * Writes the bytes and closes `destination`: a stream, a `FileSystemWritableFileStream`, or in Node the
   * path of a file, which appears, or is replaced, when it is whole and on the disk. The last two are
   * written in any order, so that repeated chunks need no memory.
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
      // The error that ended it says more than one of clearing up.
      await sink.abort(error).catch(() => {});
      throw error;
    }
  }

  /** Prepares what `read` needs, and clears up behind it. */
  async *#running<T>(
    read: (parts: Parts) => AsyncGenerator<T>,
  ): AsyncGenerator<T, void, undefined> {
    if (this.#begun) throw invalidArgument("a download can be read once");
    this.#begun = true;
    const { signal, reuse, range } = this.#options;
    const requests = this.#requests;
    const onAbort = () => requests.stop(new ChunkerError("aborted", "the download was aborted"));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    let manifest: Manifest | undefined;
    let local: LocalChunks | undefined;
    try {
      requests.throwIfStopped();
      const [fetched, { readDigests }] = await Promise.all([
        this.#manifest(),
        requests.run((signal) => this.#transport.limits({ signal })),
      ]);
      manifest = fetched;
      if (reuse !== undefined) {
        const finding = LocalChunks.find(reuse, fetched, requests.signal);
        finding.catch(() => {});
        local = await orReason(finding, requests.signal);
      }
      const parts = partsOf(fetched, range);
      this.#totalBytes = parts.end - parts.start;
      yield* read({ ...parts, readDigests, local });
      writeLine("info", "download_finished", this.#counts.own);
    } catch (error) {
      requests.throwIfStopped();
      throw counted(error);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      // Ends what is still on its way when the consumer stops early.
      requests.stop(new ChunkerError("aborted", "the download was not read to its end"));
      manifest?.[Symbol.dispose]();
      await local?.close().catch(() => {});
    }
  }

  async #manifest(): Promise<Manifest> {
    const { maxManifestBytes: maxBytes = DEFAULT_MAX_MANIFEST_BYTES } = this.#options;
    const bytes = await this.#requests.run((signal) =>
      this.#transport.getManifest(this.#name, { signal, maxBytes }),
    );
    const manifest = Manifest.parse(bytes, { maxBytes });
    const { hash, digest } = this.#root;
    if (manifest.hash !== hash || !isEqual(manifest.rootDigest, digest)) {
      throw new DedupError("digest_mismatch", "the manifest received is not the one asked for");
    }
    return manifest;
  }

  /** Yields the bytes of all parts in order. */
  async *#inOrder(parts: Parts): AsyncGenerator<Payload> {
    const { maxBytesHeld = DEFAULT_MAX_BYTES_HELD } = this.#options;
    const { chunks, local } = parts;
    const { ways, fetched } = planned(chunks, local, maxBytesHeld);
    const held = new Map<string, Payload>();
    const gathered = new Gathered();
    const remote = this.#fetch(fetched, parts);
    try {
      for (const [at, chunk] of chunks.entries()) {
        const key = keyOf(chunk.hash);
        const way = ways[at];
        const own = way === "local" ? await this.#readLocal(parts, chunk) : held.get(key);
        const payload = own ?? (await taken(remote));
        // Not with what it came: that has other chunks too.
        if (way === "hold") held.set(key, payload.slice());
        if (way === "last") held.delete(key);
        const part = partOf(parts, chunk, payload);
        if (!gathered.fits(part)) yield* this.#handOn(gathered);
        if (gathered.fits(part)) {
          gathered.add(part, own !== undefined);
          continue;
        }
        this.#received(part.length, own === undefined ? 0 : part.length);
        yield way === "held" ? part.slice() : ownBuffer(part);
      }
      yield* this.#handOn(gathered);
    } finally {
      await remote.return();
    }
  }

  *#handOn(gathered: Gathered): Generator<Payload, void, undefined> {
    const { length, reused, chunks } = gathered;
    if (length === 0) return;
    this.#received(length, reused, chunks);
    yield gathered.take();
  }

  /** Writes all parts, each chunk wherever it belongs as soon as it is there. */
  async *#anywhere(parts: Parts, sink: Sink): AsyncGenerator<never> {
    const { local, start } = parts;
    const places = new Map<string, Chunk[]>();
    for (const chunk of parts.chunks) {
      const key = keyOf(chunk.hash);
      const equal = places.get(key);
      if (equal === undefined) places.set(key, [chunk]);
      else equal.push(chunk);
    }
    const write = async (payload: Payload, equal: readonly Chunk[], isLocal: boolean) => {
      for (const [at, chunk] of equal.entries()) {
        const part = partOf(parts, chunk, payload);
        const offset = Math.max(chunk.offset - start, 0);
        await orReason(sink.write(offset, part), this.#requests.signal);
        this.#received(part.length, isLocal || at > 0 ? part.length : 0);
      }
    };
    const absent: (readonly Chunk[])[] = [];
    for (const equal of places.values()) {
      const { hash, length } = equal[0] as Chunk;
      const reading = local?.read(hash, length) ?? Promise.resolve(undefined);
      const payload = await orReason(reading, this.#requests.signal);
      if (payload === undefined) absent.push(equal);
      else await write(payload, equal, true);
    }
    const fetched = absent.map(([chunk]) => chunk as Chunk);
    const remote = this.#fetch(fetched, parts);
    try {
      for (const equal of absent) await write(await taken(remote), equal, false);
    } finally {
      await remote.return();
    }
  }

  async #readLocal({ local, readDigests }: Parts, chunk: Chunk): Promise<Payload> {
    const reading = local?.read(chunk.hash, chunk.length) ?? Promise.resolve(undefined);
    const payload = await orReason(reading, this.#requests.signal);
    if (payload !== undefined) return payload;
    // The older file has changed since it was cut.
    const remote = this.#fetch([chunk], { readDigests });
    try {
      return await taken(remote);
    } finally {
      await remote.return();
    }
  }

  #received(bytesReceived: number, bytesReused: number, chunks = 1): void {
    this.#counts.add({ bytesReceived, bytesReused, chunks });
    this.#options.onProgress?.(this.progress);
    this.#requests.throwIfStopped();
  }

  /** Yields the payloads of `chunks`, checked, in as few requests as the server allows. */
  async *#fetch(
    chunks: readonly Chunk[],
    { readDigests }: Pick<Parts, "readDigests">,
  ): AsyncGenerator<Payload, void, undefined> {
    const codecs = await this.#codecs();
    const attempts = this.#requests.attempts();
    let isPlain = false;
    for (let next = 0; next < chunks.length; ) {
      const batch = distinct(chunks, next, readDigests);
      const first = next;
      const asked = isPlain ? undefined : codecs;
      try {
        for await (const received of this.#request(batch, asked)) {
          const payload = await this.#checked(received, batch, asked);
          attempts.succeeded();
          next += 1;
          yield payload;
        }
      } catch (error) {
        this.#requests.throwIfStopped();
        await attempts.failed(error);
        // Of a chunk that the server cannot send as it has it there may be another copy.
        isPlain = next === first;
      }
    }
  }

  async *#request(batch: readonly Chunk[], codecs: Codecs | undefined) {
    const { signal } = this.#requests;
    const digests = new Uint8Array(DIGEST_BYTES * batch.length);
    for (const [at, { hash }] of batch.entries()) digests.set(hash, DIGEST_BYTES * at);
    const { hash } = this.#root;
    const encoding = codecs === undefined ? undefined : "zstd";
    const opening = this.#transport.readChunks(hash, digests, { signal, encoding });
    const expected = batch.map(({ hash: digest, length }) => ({ digest, length }));
    yield* readPack(await orReason(opening, signal), expected, signal);
  }

  async #checked(
    { index, row, bytes }: Received,
    batch: readonly Chunk[],
    codecs: Codecs | undefined,
  ): Promise<Payload> {
    const { hash: digest, hashHex, length } = batch[index] as Chunk;
    if (row.encodedLength === 0) {
      throw new DedupError("chunk_not_found", `the server does not have the chunk ${hashHex}`);
    }
    let payload = bytes;
    if (row.encodedLength < length) {
      if (codecs === undefined) {
        throw new DedupError("protocol_error", "the server's chunk is encoded, unasked");
      }
      payload = (await codecs.decompress("zstd", bytes, { maxOutput: length })) as Payload;
    }
    if (payload.length !== length) {
      const message = `chunk ${hashHex} has ${payload.length} bytes instead of ${length}`;
      throw new ChunkerError("chunk_length_mismatch", message);
    }
    if (!isEqual(await digestOf(this.#root.hash, payload), digest)) {
      const message = `the bytes received are not those of chunk ${hashHex}`;
      throw new ChunkerError("chunk_digest_mismatch", message);
    }
    this.#counts.add({ bytesOnWire: bytes.length });
    return payload;
  }

  async #codecs(): Promise<Codecs | undefined> {
    if (this.#options.compression === undefined) return undefined;
    return loadCodecs().catch(() => undefined);
  }
}

/** Bytes of a payload that is short, and of several that are handed on together. */
const SHORT = 64 * 1024;
const MOST_GATHERED = 128 * 1024;

/** Short payloads that follow one another. */
class Gathered {
  #bytes = new Uint8Array(0);
  length = 0;
  /** Bytes in it that were not fetched. */
  reused = 0;
  chunks = 0;

  fits({ length }: Payload): boolean {
    return length <= SHORT && this.length + length <= MOST_GATHERED;
  }

  add(payload: Payload, isReused: boolean): void {
    if (this.length === 0) this.#bytes = new Uint8Array(MOST_GATHERED);
    this.#bytes.set(payload, this.length);
    this.length += payload.length;
    if (isReused) this.reused += payload.length;
    this.chunks += 1;
  }

  /** Returns what there is, and starts over. */
  take(): Payload {
    const bytes = this.#bytes.subarray(0, this.length);
    this.length = 0;
    this.reused = 0;
    this.chunks = 0;
    return bytes;
  }
}

/** Returns `payload`, or a copy if it shares its buffer: the consumer may give that away. */
function ownBuffer(payload: Payload): Payload {
  return payload.length === payload.buffer.byteLength ? payload : payload.slice();
}

/** The part of a file that is wanted, and where it comes from. */
interface Parts {
  /** The chunks that have a part in it, in order. */
  readonly chunks: readonly Chunk[];
  /** Its first byte, and the first behind it. */
  readonly start: number;
  readonly end: number;
  readonly local: LocalChunks | undefined;
  readonly readDigests: number;
}

/**
 * How a chunk is had: from the older file; fetched, and if it comes again held; or held, of which one is
 * the last.
 */
type Way = "local" | "fetch" | "hold" | "held" | "last";

/** Plans how `chunks` are had in order, so that no more than `most` bytes are held at once. */
function planned(
  chunks: readonly Chunk[],
  local: LocalChunks | undefined,
  most: number,
): { readonly ways: readonly Way[]; readonly fetched: readonly Chunk[] } {
  const left = new Map<string, number>();
  for (const { hash } of chunks) left.set(keyOf(hash), (left.get(keyOf(hash)) ?? 0) + 1);
  const held = new Set<string>();
  let bytes = 0;
  const fetched: Chunk[] = [];
  const ways = chunks.map((chunk): Way => {
    const { hash, length } = chunk;
    const key = keyOf(hash);
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

/** Returns chunks from number `start` on, at most `most`, none of them twice. */
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
  if (start > end) throw invalidArgument(`range begins at ${start}, behind the end at ${end}`);
  const wanted = chunks.filter(({ offset, length }) => offset < end && offset + length > start);
  return { chunks: start === end ? [] : wanted, start, end };
}

/** Returns what of a chunk is wanted. */
function partOf({ start, end }: Parts, { offset, length }: Chunk, payload: Payload): Payload {
  if (offset >= start && offset + length <= end) return payload;
  return payload.subarray(Math.max(0, start - offset), end - offset);
}

async function taken(payloads: AsyncGenerator<Payload, void, undefined>): Promise<Payload> {
  const { done, value } = await payloads.next();
  if (done)
    throw new DedupError("protocol_error", "the server sent fewer chunks than it announced");
  return value;
}

async function sinkFor(destination: Destination): Promise<Sink | undefined> {
  if (typeof destination === "string") {
    const { writeFile } = platform();
    if (writeFile === undefined) throw invalidArgument("paths can be written in Node only");
    return writeFile(destination);
  }
  if (typeof destination?.getWriter !== "function") {
    throw invalidArgument("destination is not a path or a WritableStream");
  }
  return isSeekable(destination) ? seekableSink(destination) : undefined;
}

function checkRange(range: ByteRange | undefined): void {
  const { start = 0, end = Number.MAX_SAFE_INTEGER } = checkedOptions(range, ["start", "end"]);
  for (const place of [start, end]) {
    if (!Number.isSafeInteger(place) || place < 0) {
      throw invalidArgument(`range has ${place}, which is not an integer in 0..=2^53-1`);
    }
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
