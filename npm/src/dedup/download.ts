import { ByteQueue } from "../byte-queue.js";
import { type ByteArray, joined, kindOf, totalLength, whole } from "../bytes.js";
import { counted, invalidArgument } from "../errors.js";
import { type Chunk, ChunkerError, type Manifest } from "../index.js";
import { writeLine } from "../log.js";
import { downloadCounts } from "../metrics.js";
import { checkedOptions, checkedSource } from "../options.js";
import { beginSpan } from "../spans.js";
import { Arrivals, type Pieces } from "./arrivals.js";
import {
  checkRange,
  DEFAULT_MAX_BYTES_HELD,
  DOWNLOAD_KEYS,
  type DownloadOptions,
  type DownloadProgress,
} from "./download-options.js";
import {
  endOf,
  firstsOf,
  isFetched,
  type Part,
  planned,
  selectedPart,
  type Way,
  within,
} from "./download-plan.js";
import { orIdle } from "./idle.js";
import { LocalChunks } from "./local.js";
import { Outgoing, type Portion } from "./outgoing.js";
import { platform } from "./platform.js";
import { type Opened, RemoteFile } from "./remote.js";
import { orReason, Requests } from "./retry.js";
import { type Destination, isSeekable, type Sink, seekableSink } from "./sink.js";
import { checkTransport } from "./transport.js";
import { checkedRoot } from "./wire.js";

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
  readonly #options: DownloadOptions;
  readonly #requests: Requests;
  readonly #counts = downloadCounts();
  readonly #remote: RemoteFile;
  #totalBytes: number | undefined;
  #begun = false;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(root: string, options: DownloadOptions) {
    const checked = checkedOptions(options, DOWNLOAD_KEYS);
    const parsed = checkedRoot(root);
    const { transport, retry, range, compression } = checkedSource(checked);
    checkTransport(transport, "readChunks");
    checkRange(range);
    if (compression !== undefined && compression !== "zstd") {
      throw invalidArgument(`compression is ${compression} (expected "zstd")`);
    }
    this.#options = options;
    this.#requests = new Requests(retry, () => this.#counts.add({ retries: 1 }));
    this.#remote = new RemoteFile(root, parsed, options, this.#requests, this.#counts);
  }

  get progress(): DownloadProgress {
    return { totalBytes: this.#totalBytes, ...this.#counts.own };
  }

  /** Yields the bytes in order, in pieces of any length. The caller owns them. */
  [Symbol.asyncIterator](): AsyncGenerator<ByteArray, void, undefined> {
    return this.#running((wanted) => this.#inOrder(wanted));
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
      for await (const _ of this.#running((wanted) => this.#anywhere(wanted, sink)));
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
    read: (wanted: Wanted) => AsyncGenerator<T>,
  ): AsyncGenerator<T, void, undefined> {
    if (this.#begun) throw invalidArgument("the download was already read or written");
    this.#begun = true;
    const { signal, reuse, range } = this.#options;
    const requests = this.#requests;
    const remote = this.#remote;
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
      await remote.load();
      if (reuse === undefined) {
        opened = await remote.open();
        manifest = opened.manifest;
      } else {
        [manifest] = await Promise.all([remote.manifest(), remote.mostDigests()]);
        const finding = LocalChunks.find(reuse, manifest, requests.signal);
        const close = (found: LocalChunks) => void found.close().catch(() => {});
        local = await orReason(finding, requests.signal, close);
      }
      const part = selectedPart(manifest, range);
      this.#totalBytes = part.end - part.start;
      yield* read({ ...part, opened, local });
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

  /** Yields the wanted bytes in order. */
  async *#inOrder(wanted: Wanted): AsyncGenerator<ByteArray> {
    const { maxBytesHeld = DEFAULT_MAX_BYTES_HELD } = this.#options;
    const { chunks, local } = wanted;
    const { ways, firsts, fetched } = planned(chunks, local, maxBytesHeld);
    const held = new Map<number, ByteArray>();
    const outgoing = new Outgoing();
    const arrivals = new Arrivals(this.#remote.chunks(fetched, wanted.opened));
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
          for (const [index, { length }] of chunks.slice(at, at + taken.count).entries()) {
            const own = queue.take(length);
            if (ways[at + index] === "hold") held.set(firsts[at + index] as number, joined(own));
          }
        } else if (way === "local") {
          pieces = [await this.#readLocal(wanted, chunk)];
        } else {
          const first = firsts[at] as number;
          pieces = [held.get(first) as ByteArray];
          if (way === "last") held.delete(first);
        }
        let end = Math.max(chunk.offset, wanted.start);
        for (const piece of within(wanted, chunk.offset, pieces)) {
          const bytes = way === "held" ? piece.slice() : piece;
          end += bytes.length;
          const first = at;
          while (at < chunks.length && endOf(wanted, chunks[at] as Chunk) <= end) at += 1;
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
  async *#anywhere(wanted: Wanted, sink: Sink): AsyncGenerator<never> {
    const { local, start } = wanted;
    const firsts = firstsOf(wanted.chunks);
    const places = new Map<number, Chunk[]>();
    for (const [at, chunk] of wanted.chunks.entries()) {
      const first = firsts[at] as number;
      if (first === at) places.set(at, [chunk]);
      else places.get(first)?.push(chunk);
    }
    const write = async (offset: number, pieces: Pieces, count: number, isReused: boolean) => {
      const inside = within(wanted, offset, pieces);
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
    const arrivals = new Arrivals(this.#remote.chunks(fetched, wanted.opened));
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

  async #readLocal({ local }: Wanted, chunk: Chunk): Promise<ByteArray> {
    const reading = local?.read(chunk.hash, chunk.length) ?? Promise.resolve(undefined);
    const payload = await orReason(reading, this.#requests.signal);
    if (payload !== undefined) return payload;
    // The local file has changed since it was chunked.
    const arrivals = new Arrivals(this.#remote.chunks([chunk]));
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
}

/** The part of a file to download, and where it comes from. */
interface Wanted extends Part {
  /** The chunks of a local file. */
  readonly local: LocalChunks | undefined;
  /** The answer that begins with the chunks of the part. */
  readonly opened: Opened | undefined;
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
