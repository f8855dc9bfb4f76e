import { type Bytes, bytesOf, isBytes } from "../bytes.js";
import { counted, invalidArgument } from "../errors.js";
import {
  type ByteSource,
  type Chunk,
  ChunkerError,
  chunksWithPayload,
  digest as digestOf,
  fromHex,
  type HashAlgorithm,
  Manifest,
  type ReadOptions,
  ready,
  toHex,
} from "../index.js";
import { writeLine } from "../lines.js";
import { uploadCounts } from "../metrics.js";
import { checkedOptions } from "../options.js";
import type { ChunkerPool } from "../pool/index.js";
import { resolveProfile } from "../profile.js";
import { lengthOf } from "../source.js";
import { Budget } from "./budget.js";
import { ChunkEncoder } from "./encoder.js";
import { DedupError } from "./error.js";
import { keyOf, PrefixRecord } from "./prefix-record.js";
import { MAX_DIGESTS_PER_QUERY } from "./protocol.js";
import type { ConfirmedChunk } from "./resume.js";
import { Requests } from "./retry.js";
import type { Transport } from "./transport.js";
import type { ChunkState, UploadOptions, UploadProgress, UploadResult } from "./upload-options.js";

/**
 * Uploads `source`, sending only the chunks that the server lacks, and commits its manifest.
 *
 * Reading, asking and sending overlap. Memory stays within `maxBytesInFlight` and one chunk,
 * whatever the size of the source.
 *
 * Rejects with a `ChunkerError` (`aborted`, `invalid_chunking_options`, …), a {@link DedupError}, or
 * whatever a stream or a callback threw.
 */
export async function upload(source: ByteSource, options: UploadOptions): Promise<UploadResult> {
  return new Upload(source, options).run();
}

const UPLOAD_KEYS = [
  "transport",
  "profile",
  "pool",
  "concurrency",
  "maxBytesInFlight",
  "compression",
  "compressionLevel",
  "size",
  "signal",
  "onProgress",
  "onChunk",
  "retry",
  "resume",
  "resumeKey",
] as const;
const DEFAULT_CONCURRENCY = 4;
const DEFAULT_MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** The server is asked once a batch fills this part of the budget: one is asked while others send. */
const BATCHES_IN_FLIGHT = 4;
/** What is shorter is cut before a worker is started. */
const MIN_BYTES_FOR_POOL = 4 * 1024 * 1024;

/** A chunk of the source. One that a pool has cut has its bytes still there. */
interface FoundChunk {
  readonly chunk: Chunk;
  readonly payload?: Uint8Array;
}

interface PendingChunk {
  readonly index: number;
  readonly digest: string;
  readonly length: number;
  readonly payload: Uint8Array | undefined;
}

interface PlacedChunk extends ConfirmedChunk {
  readonly offset: number;
}

/** A digest of this upload, whose first chunk is number `index`. */
interface Distinct {
  readonly index: number;
  confirmed: boolean;
  sent: boolean;
}

class Upload {
  readonly #source: ByteSource;
  readonly #options: UploadOptions;
  readonly #transport: Transport;
  readonly #size: number | undefined;
  readonly #stop = new AbortController();
  readonly #requests: Requests;
  readonly #encoder: ChunkEncoder;
  readonly #tasks = new Set<Promise<void>>();
  readonly #bytes: Budget;
  readonly #sending: Budget;
  readonly #maxBatchBytes: number;
  /** Digests as text: a tenth of the objects that their bytes would be. */
  readonly #chunks: PlacedChunk[] = [];
  readonly #distinct = new Map<string, Distinct>();
  #batch: PendingChunk[] = [];
  #batchBytes = 0;
  #hash: HashAlgorithm = "sha256";
  readonly #counts = uploadCounts();
  #record: PrefixRecord | undefined;

  constructor(source: ByteSource, options: UploadOptions) {
    checkedOptions(options, UPLOAD_KEYS);
    this.#source = source;
    this.#options = options;
    this.#transport = options.transport;
    const concurrency = positiveInteger("concurrency", options.concurrency ?? DEFAULT_CONCURRENCY);
    const capacity = positiveInteger(
      "maxBytesInFlight",
      options.maxBytesInFlight ?? DEFAULT_MAX_BYTES_IN_FLIGHT,
    );
    this.#encoder = new ChunkEncoder(options.compression, options.compressionLevel);
    this.#requests = new Requests(options.retry, () => this.#counts.add({ retries: 1 }));
    this.#sending = new Budget(concurrency);
    this.#bytes = new Budget(capacity);
    this.#maxBatchBytes = capacity / BATCHES_IN_FLIGHT;
    this.#size = lengthOf(source) ?? options.size;
    if (options.resume !== undefined && !(source instanceof Blob)) {
      throw invalidArgument("only a Blob or File can be resumed");
    }
  }

  async run(): Promise<UploadResult> {
    const { signal } = this.#options;
    const onAbort = () => this.#fail(new ChunkerError("aborted", "the upload was aborted"));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const stopped = new Promise<never>((_, reject) => {
      const { signal } = this.#stop;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
    });
    try {
      // The race lets an abort through even while a source or a transport hangs.
      return await Promise.race([this.#work(), stopped]);
    } catch (error) {
      this.#fail(error);
      await this.#record?.flush();
      throw this.#stop.signal.reason;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #work(): Promise<UploadResult> {
    this.#stop.signal.throwIfAborted();
    await ready();
    const { id: profile, hash } = resolveProfile(this.#options.profile);
    this.#hash = hash;
    await this.#resume(profile);
    await this.#read(profile);
    this.#flush();
    await this.#settle();
    if (this.#size !== undefined && this.#position !== this.#size) {
      throw sourceChanged(`ended after ${this.#position} of ${this.#size} bytes`);
    }
    // Browsers compare a file's date with that of its choosing when they open it, and only then.
    if (this.#source instanceof Blob) await this.#reread(0, 1);
    const chunks = this.#chunks.map(({ digest, length }) => ({ hash: fromHex(digest), length }));
    const manifest = Manifest.create(profile, chunks);
    await this.#commit(manifest);
    await this.#record?.delete();
    writeLine("info", "upload_finished", this.#counts.own);
    return { ...this.#progress(), rootDigest: manifest.rootDigestHex, manifest };
  }

  /** Takes over the chunks that an earlier upload had confirmed, as far as they still hold. */
  async #resume(profile: string): Promise<void> {
    const { resume: store } = this.#options;
    if (store === undefined) return;
    const key = this.#options.resumeKey ?? keyOf(this.#source, profile);
    const record = await PrefixRecord.open(store, key);
    this.#record = record;
    let confirmed = record.loaded;
    if (!(await this.#stillMatches(confirmed))) confirmed = [];
    confirmed = await this.#stillStored(confirmed);
    for (const { digest, length } of confirmed) {
      const index = this.#add(digest, length);
      if (!this.#distinct.has(digest)) {
        this.#distinct.set(digest, { index, confirmed: true, sent: false });
      }
      this.#counts.add({ bytesResumed: length });
      this.#emit(index, "resumed");
    }
    record.startAt(confirmed.length);
    this.#emitProgress();
  }

  /** Hashes the first, middle and last recorded chunk again: same name and date, other content? */
  async #stillMatches(recorded: readonly ConfirmedChunk[]): Promise<boolean> {
    const probes = new Set([0, recorded.length >> 1, recorded.length - 1]);
    let offset = 0;
    for (const [index, { digest, length }] of recorded.entries()) {
      if (probes.has(index)) {
        const bytes = await this.#reread(offset, length);
        if (bytes.length !== length || toHex(await digestOf(this.#hash, bytes)) !== digest) {
          return false;
        }
      }
      offset += length;
    }
    return this.#size === undefined || offset <= this.#size;
  }

  /** Returns `recorded` up to the first chunk that the server has no more. */
  async #stillStored(recorded: readonly ConfirmedChunk[]): Promise<readonly ConfirmedChunk[]> {
    for (let at = 0; at < recorded.length; at += MAX_DIGESTS_PER_QUERY) {
      const part = recorded.slice(at, at + MAX_DIGESTS_PER_QUERY);
      const missing = await this.#missing([...new Set(part.map(({ digest }) => digest))]);
      const gap = part.findIndex(({ digest }) => missing.has(digest));
      if (gap >= 0) return recorded.slice(0, at + gap);
    }
    return recorded;
  }

  async #read(profile: string): Promise<void> {
    const found = this.#cut(profile);
    try {
      for (;;) {
        const next = await this.#whileReading(found.next());
        if (next.done) break;
        await this.#take(next.value);
      }
    } finally {
      // Not awaited: a source that hangs would hold up the error.
      found.return().catch(() => {});
    }
  }

  /** Yields the chunks that follow, found by the pool if that pays and the source can be read again. */
  #cut(profile: string): AsyncGenerator<FoundChunk, void, undefined> {
    const start = this.#position;
    const source = start === 0 ? this.#source : (this.#source as Blob).slice(start);
    const { pool } = this.#options;
    const reading = { profile, signal: this.#stop.signal, offset: start };
    const short = (lengthOf(source) ?? 0) < MIN_BYTES_FOR_POOL;
    if (pool === undefined || short || !isRereadable(source)) {
      return chunksWithPayload(source, reading);
    }
    return cutBy(pool, source, reading);
  }

  async #take({ chunk, payload }: FoundChunk): Promise<void> {
    const { length } = chunk;
    const digest = chunk.hashHex;
    if (this.#size !== undefined && this.#position + length > this.#size) {
      throw sourceChanged(`is longer than its ${this.#size} bytes`);
    }
    const index = this.#add(digest, length);
    if (this.#distinct.has(digest)) {
      this.#counts.add({ bytesSaved: length, savedChunks: 1 });
      this.#emit(index, "duplicate");
      this.#emitProgress();
      return;
    }
    this.#distinct.set(digest, { index, confirmed: false, sent: false });
    this.#emit(index, "found");
    this.#emitProgress();
    if (!this.#bytes.tryTake(length)) {
      // What waits in the batch would never be released by waiting.
      this.#flush();
      await this.#bytes.take(length);
    }
    this.#batch.push({ index, digest, length, payload });
    this.#batchBytes += length;
    if (this.#batchBytes >= this.#maxBatchBytes || this.#batch.length === MAX_DIGESTS_PER_QUERY) {
      this.#flush();
    }
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#spawn(async () => {
      const missing = await this.#missing(batch.map(({ digest }) => digest));
      for (const pending of batch) {
        if (missing.has(pending.digest)) {
          this.#spawn(() => this.#send(pending));
          continue;
        }
        this.#bytes.give(pending.length);
        this.#counts.add({ bytesSaved: pending.length, savedChunks: 1 });
        this.#emit(pending.index, "known");
        this.#confirm(pending.digest);
      }
      this.#emitProgress();
    });
  }

  async #missing(digests: readonly string[]): Promise<ReadonlySet<string>> {
    const { missing, encodings } = await this.#requests.run((signal) =>
      this.#transport.missing(this.#hash, digests, { signal }),
    );
    this.#encoder.announced(encodings);
    return new Set(missing);
  }

  async #send({ index, digest, length, payload }: PendingChunk): Promise<void> {
    // In the order of the file, whichever batch is answered first: only a gapless start can be
    // resumed.
    await this.#sending.take(1, index);
    this.#emit(index, "sending");
    const bytes = payload ?? (await this.#payloadOf(index));
    const onWire = await this.#encoder.send(bytes, (body) =>
      this.#requests.run((signal) =>
        this.#transport.putChunk(this.#hash, digest, body, { signal }),
      ),
    );
    this.#sending.give(1);
    this.#bytes.give(length);
    this.#counts.add({ bytesSent: length, bytesOnWire: onWire, newChunks: 1 });
    const distinct = this.#distinct.get(digest);
    if (distinct !== undefined) distinct.sent = true;
    this.#emit(index, "sent");
    this.#confirm(digest);
    this.#emitProgress();
  }

  async #commit(manifest: Manifest): Promise<void> {
    const bytes = manifest.toBytes();
    const sentAgain = new Set<string>();
    for (;;) {
      try {
        await this.#requests.run((signal) =>
          this.#transport.putManifest(manifest.rootDigestHex, bytes, { signal }),
        );
        return;
      } catch (error) {
        if (!(error instanceof DedupError) || error.code !== "chunks_missing") throw error;
        const missing = (error.missing ?? []).filter((digest) => !sentAgain.has(digest));
        // Nothing new to send: the server loses what it confirms.
        if (missing.length === 0 || !isRereadable(this.#source)) throw error;
        for (const digest of missing) sentAgain.add(digest);
        await this.#sendAgain(missing);
      }
    }
  }

  /** Sends chunks that the server had confirmed and then lost. */
  async #sendAgain(digests: readonly string[]): Promise<void> {
    for (const digest of digests) {
      const distinct = this.#distinct.get(digest);
      const chunk = distinct && this.#chunks[distinct.index];
      if (distinct === undefined || chunk === undefined) {
        throw new DedupError("protocol_error", "the server misses a chunk the manifest lacks");
      }
      const { offset, length } = chunk;
      await this.#bytes.take(length);
      const payload = await this.#reread(offset, length);
      if (toHex(await digestOf(this.#hash, payload)) !== digest) {
        throw sourceChanged(`has other bytes at ${offset} than before`);
      }
      const { index } = distinct;
      if (!distinct.sent) this.#counts.add({ bytesSaved: -length, savedChunks: -1 });
      this.#spawn(() => this.#send({ index, digest, length, payload }));
    }
    await this.#settle();
  }

  /** Reads the bytes of a chunk; the server refuses them when they are others than before. */
  async #payloadOf(index: number): Promise<Uint8Array> {
    const { offset, length } = this.#chunks[index] as PlacedChunk;
    const payload = await this.#reread(offset, length);
    if (payload.length !== length)
      throw sourceChanged(`has become shorter than ${offset + length}`);
    return payload;
  }

  async #reread(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const source = this.#source;
    if (!(source instanceof Blob)) {
      return bytesOf(source as Bytes).subarray(offset, offset + length);
    }
    const part = source.slice(offset, offset + length);
    return new Uint8Array(await this.#whileReading(part.arrayBuffer()));
  }

  /**
   * Browsers say `NotReadableError`, `NotFoundError` or "network error" of a file that changed or is
   * gone; errors of other sources are their own.
   */
  async #whileReading<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if (!(this.#source instanceof Blob) || error instanceof ChunkerError) throw error;
      throw new DedupError(
        "source_unreadable",
        "the source can no longer be read: it was changed, moved or removed",
        { cause: error },
      );
    }
  }

  /** Up to here the source is chunked, in bytes. */
  get #position(): number {
    return this.#counts.own.bytesRead;
  }

  #add(digest: string, length: number): number {
    const index = this.#chunks.length;
    this.#chunks.push({ digest, length, offset: this.#position });
    this.#counts.add({ bytesRead: length, chunks: 1 });
    return index;
  }

  #confirm(digest: string): void {
    const distinct = this.#distinct.get(digest);
    if (distinct !== undefined) distinct.confirmed = true;
    this.#record?.advance(
      this.#chunks,
      (chunk) => this.#distinct.get(chunk.digest)?.confirmed === true,
    );
  }

  /** Runs `task` beside the others; its failure is the upload's. */
  #spawn(task: () => Promise<void>): void {
    const running = task().catch((error: unknown) => this.#fail(error));
    const tracked = running.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  async #settle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    this.#stop.signal.throwIfAborted();
  }

  /** Stops everything; the first reason is the one that is reported. */
  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    // Before what stops by it says so with an error of its own.
    this.#stop.abort(counted(error));
    this.#bytes.close(error);
    this.#sending.close(error);
    this.#requests.stop(error);
  }

  #emit(index: number, state: ChunkState): void {
    const chunk = this.#chunks[index];
    if (chunk === undefined || this.#stop.signal.aborted) return;
    const { offset, length, digest } = chunk;
    this.#options.onChunk?.({ index, offset, length, digest, state });
  }

  #emitProgress(): void {
    if (!this.#stop.signal.aborted) this.#options.onProgress?.(this.#progress());
  }

  #progress(): UploadProgress {
    return { ...this.#counts.own, totalBytes: this.#size };
  }
}

async function* cutBy(pool: ChunkerPool, source: ByteSource, options: ReadOptions) {
  for await (const chunk of pool.chunks(source, options)) yield { chunk };
}

function isRereadable(source: ByteSource): source is Blob | Bytes {
  return source instanceof Blob || isBytes(source);
}

function sourceChanged(how: string): DedupError {
  return new DedupError("source_changed", `the source ${how}: it was changed while it was read`);
}

function positiveInteger(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw invalidArgument(`${name} must be a positive integer, not ${value}`);
  }
  return value;
}
