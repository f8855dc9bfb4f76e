// One upload: reads and cuts the source while its parts ask and send.

import { counted } from "../errors.js";
import { type ByteSource, type Chunk, ChunkerError, ready } from "../index.js";
import { writeLine } from "../log.js";
import { manifestOf } from "../manifest.js";
import { checkedOptions, checkedSource, checkFunction } from "../options.js";
import { resolveProfile } from "../profile.js";
import { beginSpan } from "../spans.js";
import { ChunkEncoder } from "./encoder.js";
import { MissingChunks } from "./missing-chunks.js";
import { PackSender } from "./pack-sender.js";
import { PackSize } from "./pack-size.js";
import { Questions } from "./questions.js";
import { orReason, Requests } from "./retry.js";
import { largestPack, ReadShare, type Supplies, suppliesOf } from "./supplies.js";
import { Tasks } from "./tasks.js";
import { checkTransport } from "./transport.js";
import { UploadCommit } from "./upload-commit.js";
import type { UploadContext } from "./upload-context.js";
import { UploadLedger } from "./upload-ledger.js";
import type { UploadOptions, UploadProgress, UploadResult } from "./upload-options.js";
import { sourceChanged, UploadSource } from "./upload-source.js";
import { rootOf } from "./wire.js";

/** The options that all uploads of a queue may have. */
export const COMMON_UPLOAD_KEYS = [
  "transport",
  "profile",
  "pool",
  "concurrency",
  "maxBytesInFlight",
  "assumeNew",
  "compression",
  "compressionLevel",
  "retry",
] as const;
/** The options of one upload. */
export const OWN_UPLOAD_KEYS = ["size", "signal", "onProgress", "onChunk"] as const;

/** Limit for unanswered chunks while the whole file may be known; reading waits at it. */
const MOST_AHEAD = 16_384;

export class UploadJob {
  readonly #options: UploadOptions;
  readonly #stop = new AbortController();
  readonly #context: UploadContext;
  /** What the chunks that were read have taken of the supplies. */
  readonly #room: ReadShare;
  readonly #missing: MissingChunks;
  readonly #sender: PackSender;
  /** The announced size of the source, in bytes. */
  readonly #size: number | undefined;
  /** The same, or the size of a file when it was opened; once the source is read, what was read. */
  #totalBytes: number | undefined;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(source: ByteSource, options: UploadOptions, shared?: Supplies) {
    const checked = checkedOptions(options, [...COMMON_UPLOAD_KEYS, ...OWN_UPLOAD_KEYS]);
    const { transport, onChunk } = checkedSource(checked);
    checkTransport(transport, "putPack");
    checkFunction("onChunk", onChunk);
    this.#options = options;
    const own = suppliesOf(options);
    const supplies = shared ?? own;
    const { bytes, concurrency } = supplies;
    const encoder = new ChunkEncoder(options.compression, options.compressionLevel);
    const { signal } = this.#stop;
    this.#room = new ReadShare(supplies);
    const onProgress = () => options.onProgress?.(this.progress);
    const ledger = new UploadLedger(this.#room, options, onProgress, signal);
    const requests = new Requests(
      options.retry,
      () => ledger.retried(),
      () => this.#rest(),
    );
    const packSize = new PackSize(largestPack(bytes.capacity, concurrency));
    this.#context = {
      source: new UploadSource(source, transport.takesBlobs === true),
      transport,
      requests,
      questions: new Questions(transport, requests, (limits) => packSize.limit(limits.packBytes)),
      packSize,
      supplies,
      tasks: new Tasks(signal, (error) => this.fail(error)),
      ledger,
    };
    this.#missing = new MissingChunks(this.#context, options.assumeNew === true);
    this.#sender = new PackSender(this.#context, encoder);
    this.#size = this.#context.source.length ?? options.size;
    this.#totalBytes = this.#size;
  }

  get progress(): UploadProgress {
    const { counts, bytesDone, table } = this.#context.ledger;
    const totalBytes = this.#totalBytes;
    return {
      // A file may have grown since it was opened.
      totalBytes: totalBytes && Math.max(totalBytes, table.length),
      bytesDone,
      bytesInTransit: this.#sender.bytesInTransit,
      ...counts,
    };
  }

  pause(): void {
    this.#context.requests.pause();
  }

  resume(): void {
    this.#room.resume();
    this.#context.requests.resume();
  }

  /** While paused, leaves what it has of the supplies to other uploads, except for chunks that are in memory. */
  #rest(): void {
    this.#sender.rest();
    if (!this.#context.source.keepsBytes) this.#room.rest();
  }

  /** Ends the upload; the first error is the one that is reported. */
  fail(error: unknown): void {
    const { ledger, requests, tasks } = this.#context;
    if (this.#stop.signal.aborted || ledger.isCommitted) return;
    // Before the work that this stops fails with errors of its own.
    this.#stop.abort(counted(error));
    requests.stop(error);
    tasks.changed();
  }

  async run(): Promise<UploadResult> {
    const { source, requests, ledger } = this.#context;
    const { signal } = this.#options;
    const onAbort = () =>
      this.fail(new ChunkerError("aborted", "the upload was aborted by its signal"));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const endSpan = beginSpan("info", "upload");
    try {
      // An abort gets through even while a source or a transport hangs.
      return await orReason(this.#work(), this.#stop.signal);
    } catch (error) {
      this.fail(error);
      // A callback may throw after the commit.
      throw this.#stop.signal.aborted ? this.#stop.signal.reason : counted(error);
    } finally {
      // What is still in progress then has nothing left to take, to give back or to report. Questions without
      // an answer would keep the process alive.
      this.#stop.abort();
      requests.stop(new ChunkerError("aborted", "the upload has ended"));
      signal?.removeEventListener("abort", onAbort);
      this.#room.end();
      this.#sender.end();
      // Not awaited: a read in progress may hang.
      source.close().catch(() => {});
      endSpan(ledger.counts);
    }
  }

  async #work(): Promise<UploadResult> {
    const { source, tasks, ledger } = this.#context;
    tasks.signal.throwIfAborted();
    await ready();
    const { id: profile, hash } = resolveProfile(this.#options.profile);
    ledger.hash = hash;
    // Missing chunks of a file are read again when they are sent, so none are kept.
    await source.open(tasks.signal);
    this.#totalBytes ??= source.length;
    tasks.signal.throwIfAborted();
    const sending = this.#sender.sendAll(this.#missing);
    // Awaited once the source is read; until then, its failure must not count as unhandled.
    sending.catch((error: unknown) => this.fail(error));
    await this.#read(profile);
    const { length, records } = ledger.table;
    this.#totalBytes = length;
    if (this.#size !== undefined && length !== this.#size) {
      throw sourceChanged(`ended after ${length} of ${this.#size} bytes`);
    }
    const manifest = manifestOf(profile, records);
    const root = rootOf({ hash, digest: manifest.rootDigest });
    const bytes = manifest.toBytes();
    const commit = new UploadCommit(this.#context, this.#missing, this.#sender, root, bytes);
    if (!(await commit.asKnown())) {
      this.#missing.readToEnd();
      await sending;
      await source.check();
      if (!(await commit.asSent())) await commit.asStored();
    }
    writeLine("info", "upload_finished", ledger.counts);
    return { root, manifest, ...this.progress };
  }

  async #read(profile: string): Promise<void> {
    const { source, requests, tasks } = this.#context;
    const found = source.chunks(profile, this.#options.pool, tasks.signal);
    try {
      for (;;) {
        await requests.notPaused();
        const next = await source.whileReading(found.next());
        if (next.done) break;
        for (const chunk of next.value) {
          // A callback may have paused or ended the upload since the group was read.
          if (requests.mustWait) await requests.notPaused();
          const room = this.#take(chunk);
          if (room !== undefined) await room;
        }
      }
    } finally {
      // Not awaited: a source that hangs would delay the error.
      found.return().catch(() => {});
    }
  }

  /** Records a chunk; returns a promise only if it has to wait for room. */
  #take({ hash, length }: Chunk): Promise<void> | undefined {
    const { source, ledger } = this.#context;
    if (this.#size !== undefined && ledger.table.length + length > this.#size) {
      throw sourceChanged(`is longer than its ${this.#size} bytes`);
    }
    const payload = source.take(length);
    const { index, isFirst } = ledger.add(hash, length);
    if (!isFirst) {
      this.#missing.askIfEnough();
      return undefined;
    }
    const room = payload === undefined && this.#needsNoRoom(length) ? 0 : length;
    const entry = { index, length, room, payload };
    if (room > 0) return this.#takeRoom(room).then(() => this.#missing.add(entry));
    this.#missing.add(entry);
    return undefined;
  }

  /**
   * Returns whether to read on without waiting for answers, which a known file does not need. In case chunks have
   * to be sent after all, the supply must have room for one of this length per pack, and another.
   */
  #needsNoRoom(length: number): boolean {
    const { bytes, concurrency } = this.#context.supplies;
    const isShort = length <= largestPack(bytes.capacity, concurrency);
    const { expectsKnown, unanswered } = this.#missing;
    return expectsKnown && isShort && unanswered < MOST_AHEAD;
  }

  async #takeRoom(length: number): Promise<void> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    if (this.#room.tryTake(length)) return;
    // What is gathered would never be released by waiting.
    this.#missing.readingWaits();
    await this.#room.take(length, signal);
    this.#missing.readingContinues();
  }
}
