// One upload: reading, asking and sending, at the same time.

import { type ByteArray, joined, kindOf, totalLength } from "../bytes.js";
import { counted, invalidArgument } from "../errors.js";
import {
  type ByteSource,
  type Chunk,
  ChunkerError,
  fromHex,
  type HashAlgorithm,
  ready,
  toHex,
} from "../index.js";
import { writeLine } from "../log.js";
import { manifestOf } from "../manifest.js";
import { uploadCounts } from "../metrics.js";
import { checkedOptions } from "../options.js";
import { resolveProfile } from "../profile.js";
import { beginSpan } from "../spans.js";
import { ChunkTable } from "./chunk-table.js";
import { ChunkEncoder } from "./encoder.js";
import { asDedupError, DedupError } from "./error.js";
import { orIdle } from "./idle.js";
import { type Entry, packBody, setApart } from "./pack-body.js";
import { PackSize } from "./pack-size.js";
import { QUESTIONS, Questions } from "./questions.js";
import { orReason, Requests } from "./retry.js";
import { largestPack, PackShare, type Supplies, suppliesOf } from "./supplies.js";
import type { Body, Transport } from "./transport.js";
import type { ChunkState, UploadOptions, UploadProgress, UploadResult } from "./upload-options.js";
import { sourceChanged, UploadSource } from "./upload-source.js";
import { rootOf, tableBytes } from "./wire.js";

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

/** Bytes of chunks after which to ask for the first time. */
const FIRST_QUESTION_BYTES = 4 * 1024 * 1024;
/**
 * Least time between questions while the whole file may be known, in milliseconds, unless one is full or memory is:
 * reading needs the CPU time that they take.
 */
const ASKED_AFTER_MS = 50;
/** Limit for unanswered chunks while the whole file may be known; reading waits at it. */
const MOST_AHEAD = 16_384;
/**
 * Milliseconds after which the head of a request has usually been sent. Pages learn only every 100 ms how much of a body
 * was sent.
 */
const BEGINNING_MS = 15;
/** How much later than the answers to its packs the answer to an early commit may come, in milliseconds. */
const LATE_COMMIT_MS = 3000;
/** How much later than the answer to an early commit those to the packs may come, in milliseconds. */
const LATE_PACKS_MS = 1000;
/** How many commits to try while the server loses chunks before them. */
const COMMITS = 5;

/** Chunks that share a turn. They are sent in several requests if they do not fit into one. */
interface Pack {
  readonly entries: readonly Entry[];
  readonly share: PackShare;
  /** Bytes that the latest request has sent; 0 once it has ended. */
  inTransit: { bytes: number };
}

export class UploadJob {
  readonly #source: UploadSource;
  readonly #options: UploadOptions;
  readonly #transport: Transport;
  /** The announced size of the source, in bytes. */
  readonly #size: number | undefined;
  /** The same, or the size of a file when it was opened; once the source is read, what was read. */
  #totalBytes: number | undefined;
  readonly #stop = new AbortController();
  readonly #requests: Requests;
  readonly #encoder: ChunkEncoder;
  readonly #supplies: Supplies;
  readonly #questions: Questions;
  readonly #packSize: PackSize;
  readonly #mostAsked: number;
  readonly #tasks = new Set<Promise<void>>();
  readonly #table = new ChunkTable();
  readonly #counts = uploadCounts();
  /** Bytes of chunks that this upload has taken of the shared supply. */
  #held = 0;
  /** Whether it has given them back, because it is paused. */
  #isResting = false;
  /** What its packs have taken. */
  readonly #shares = new Set<PackShare>();
  #hash: HashAlgorithm = "sha256";
  #bytesDone = 0;
  /** Packs whose beginning may reach the server after a commit that is sent now. */
  readonly #unbegun = new Set<Pack>();
  /** Packs that their connections have not taken completely. */
  readonly #unsent = new Set<Pack>();
  /** Packs without an answer. */
  readonly #unanswered = new Set<Pack>();

  /** Chunks that were read, and not asked about yet. */
  #unasked: Entry[] = [];
  #unaskedBytes = 0;
  /** Bytes of chunks after which to ask about them. */
  #questionBytes: number;
  /** When the last question was asked. */
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Chunks that were asked about, and not sent before the answer. */
  readonly #asked = new Set<Entry>();
  #askedBytes = 0;
  /** Unanswered questions, oldest first, each as the index of its first chunk. */
  readonly #openQuestions = new Set<number>();
  /** Chunks that the server lacks. */
  #missing: Entry[] = [];
  #missingBytes = 0;
  /** Whether to send chunks before the answer, since all chunks of the last one were missing. */
  #expectsNew: boolean;
  /** Whether to commit the file instead of asking about its end, since no chunk was missing so far. */
  #expectsKnown: boolean;
  /** Whether the file is committed, even if some questions have no answer yet. */
  #isOver = false;
  #readToEnd = false;
  #needsRoom = false;
  #changed: (() => void) | undefined;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(source: ByteSource, options: UploadOptions, supplies?: Supplies) {
    checkedOptions(options, [...COMMON_UPLOAD_KEYS, ...OWN_UPLOAD_KEYS]);
    this.#options = options;
    this.#transport = options.transport;
    if (typeof options.transport?.putPack !== "function") {
      throw invalidArgument(`transport is ${kindOf(options.transport)} (expected a Transport)`);
    }
    this.#source = new UploadSource(source, options.transport.takesBlobs === true);
    const own = suppliesOf(options);
    this.#supplies = supplies ?? own;
    const { bytes, concurrency } = this.#supplies;
    this.#encoder = new ChunkEncoder(options.compression, options.compressionLevel);
    this.#requests = new Requests(
      options.retry,
      () => this.#counts.add({ retries: 1 }),
      () => this.#rest(),
    );
    this.#packSize = new PackSize(largestPack(bytes.capacity, concurrency));
    this.#questions = new Questions(this.#transport, this.#requests, ({ packBytes }) =>
      this.#packSize.limit(packBytes),
    );
    this.#mostAsked = bytes.capacity / QUESTIONS;
    this.#questionBytes = Math.min(FIRST_QUESTION_BYTES, this.#packSize.target, this.#mostAsked);
    this.#expectsNew = options.assumeNew === true;
    this.#expectsKnown = !this.#expectsNew;
    this.#size = this.#source.length ?? options.size;
    this.#totalBytes = this.#size;
  }

  get progress(): UploadProgress {
    const totalBytes = this.#totalBytes;
    let bytesInTransit = 0;
    for (const { inTransit } of this.#unanswered) bytesInTransit += inTransit.bytes;
    return {
      // A file may have grown since it was opened.
      totalBytes: totalBytes && Math.max(totalBytes, this.#table.length),
      bytesDone: this.#bytesDone,
      bytesInTransit,
      ...this.#counts.own,
    };
  }

  pause(): void {
    this.#requests.pause();
  }

  resume(): void {
    if (this.#isResting) this.#supplies.bytes.exceed(this.#held);
    this.#isResting = false;
    this.#requests.resume();
  }

  /** While paused, leaves what it has of the supplies to other uploads, except for chunks that are in memory. */
  #rest(): void {
    for (const share of this.#shares) share.rest();
    if (this.#source.keepsBytes) return;
    this.#isResting = true;
    this.#supplies.bytes.give(this.#held);
  }

  /** Ends the upload; the first error is the one that is reported. */
  fail(error: unknown): void {
    if (this.#stop.signal.aborted || this.#isOver) return;
    // Before the work that this stops fails with errors of its own.
    this.#stop.abort(counted(error));
    this.#requests.stop(error);
    this.#changed?.();
  }

  async run(): Promise<UploadResult> {
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
      this.#requests.stop(new ChunkerError("aborted", "the upload has ended"));
      signal?.removeEventListener("abort", onAbort);
      if (!this.#isResting) this.#supplies.bytes.give(this.#held);
      this.#held = 0;
      for (const share of this.#shares) share.end();
      // Not awaited: a read in progress may hang.
      this.#source.close().catch(() => {});
      endSpan(this.#counts.own);
    }
  }

  async #work(): Promise<UploadResult> {
    this.#stop.signal.throwIfAborted();
    await ready();
    const { id: profile, hash } = resolveProfile(this.#options.profile);
    this.#hash = hash;
    // Missing chunks of a file are read again when they are sent, so none are kept.
    await this.#source.open(this.#stop.signal);
    this.#totalBytes ??= this.#source.length;
    this.#stop.signal.throwIfAborted();
    const sending = this.#sendAll();
    // Awaited once the source is read; until then, its failure must not count as unhandled.
    sending.catch((error: unknown) => this.fail(error));
    await this.#read(profile);
    this.#totalBytes = this.#table.length;
    if (this.#size !== undefined && this.#table.length !== this.#size) {
      throw sourceChanged(`ended after ${this.#table.length} of ${this.#size} bytes`);
    }
    const manifest = manifestOf(profile, this.#table.records);
    const root = rootOf({ hash, digest: manifest.rootDigest });
    const bytes = manifest.toBytes();
    if (!(await this.#commitAsKnown(root, bytes))) {
      this.#ask();
      this.#readToEnd = true;
      this.#change();
      await sending;
      await this.#source.check();
      const isCommitted = await this.#commitAsSent(root, bytes);
      if (!isCommitted) await this.#commit(root, bytes);
    }
    writeLine("info", "upload_finished", this.#counts.own);
    return { root, manifest, ...this.progress };
  }

  async #read(profile: string): Promise<void> {
    const found = this.#source.chunks(profile, this.#options.pool, this.#stop.signal);
    try {
      for (;;) {
        await this.#requests.notPaused();
        const next = await this.#source.whileReading(found.next());
        if (next.done) break;
        for (const chunk of next.value) {
          // A callback may have paused or ended the upload since the group was read.
          if (this.#requests.mustWait) await this.#requests.notPaused();
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
    if (this.#size !== undefined && this.#table.length + length > this.#size) {
      throw sourceChanged(`is longer than its ${this.#size} bytes`);
    }
    const { index, first } = this.#table.add(hash, length);
    const payload = this.#source.take(length);
    this.#counts.add({ bytesRead: length, chunks: 1 });
    if (first !== index) {
      if (this.#table.place(first) !== "absent") this.#bytesDone += length;
      this.#counts.add({ bytesSaved: length, savedChunks: 1 });
      this.#emit(index, "duplicate");
      this.#emitProgress();
      this.#askIfEnough();
      return undefined;
    }
    this.#emit(index, "found");
    this.#emitProgress();
    const room = payload === undefined && this.#needsNoRoom(length) ? 0 : length;
    const entry = { index, length, room, payload };
    if (room > 0) return this.#takeRoom(room).then(() => this.#gather(entry));
    this.#gather(entry);
    return undefined;
  }

  /** Adds to the chunks that are asked about next. */
  #gather(entry: Entry): void {
    this.#unasked.push(entry);
    this.#unaskedBytes += entry.length;
    this.#askIfEnough();
  }

  /**
   * Returns whether to read on without waiting for answers, which a known file does not need. In case chunks have
   * to be sent after all, the supply must have room for one of this length per pack, and another.
   */
  #needsNoRoom(length: number): boolean {
    const { bytes, concurrency } = this.#supplies;
    const isShort = length <= largestPack(bytes.capacity, concurrency);
    return this.#expectsKnown && isShort && this.#unasked.length + this.#asked.size < MOST_AHEAD;
  }

  #askIfEnough(): void {
    const [first] = this.#unasked;
    if (first === undefined) return;
    const { missingDigests, packChunks } = this.#questions.limits;
    const mostChunks = Math.min(missingDigests, packChunks);
    // What lies between them is a repetition, but kept with them.
    const kept = this.#table.length - this.#table.offsetOf(first.index);
    // While no more questions may be open, a larger one costs no more time than a small one. Only chunks that are
    // held limit its bytes.
    const isBusy = this.#openQuestions.size >= QUESTIONS && !this.#expectsNew;
    const isSoon = this.#expectsKnown && performance.now() < this.#askedAt + ASKED_AFTER_MS;
    const most = this.#source.keepsBytes ? this.#mostAsked : Number.POSITIVE_INFINITY;
    const wanted = isBusy || isSoon ? most : this.#questionBytes;
    const enough = this.#unaskedBytes >= wanted || kept >= 2 * wanted;
    if (enough || this.#unasked.length >= mostChunks) this.#ask();
  }

  async #takeRoom(length: number): Promise<void> {
    this.#stop.signal.throwIfAborted();
    const { bytes } = this.#supplies;
    if (!bytes.tryTake(length)) {
      // What is gathered would never be released by waiting.
      this.#ask();
      this.#needsRoom = true;
      this.#change();
      await this.#orStopped(bytes.take(length), () => bytes.give(length));
      this.#needsRoom = false;
    }
    this.#held += length;
    if (this.#isResting) bytes.give(length);
  }

  #giveRoom({ room }: Entry): void {
    if (room === 0 || this.#stop.signal.aborted) return;
    this.#held -= room;
    if (!this.#isResting) this.#supplies.bytes.give(room);
  }

  /** Asks which of the chunks that were read are missing. */
  #ask(): void {
    const entries = this.#unasked;
    if (entries.length === 0) return;
    const [first] = entries as [Entry];
    const kept = this.#table.length - this.#table.offsetOf(first.index);
    if (kept >= 2 * this.#unaskedBytes) entries.forEach(setApart);
    this.#unasked = [];
    this.#unaskedBytes = 0;
    for (const entry of entries) {
      this.#asked.add(entry);
      this.#askedBytes += entry.length;
    }
    this.#openQuestions.add(first.index);
    this.#askedAt = performance.now();
    this.#change();
    this.#spawn(async () => {
      const digests = joined(entries.map(({ index }) => this.#table.digest(index)));
      const missing = await this.#questions.missing(this.#hash, digests);
      if (this.#isOver) return;
      const [oldest] = this.#openQuestions;
      this.#openQuestions.delete(first.index);
      const known = missing.filter((isMissing) => !isMissing).length;
      this.#takeAnswer(entries, missing);
      if (known > 0) this.#expectsNew = false;
      // Earlier questions that are still unanswered may be about known chunks.
      else if (oldest === first.index) this.#expectsNew = true;
      // A question costs a request: if little has to be sent, fewer are enough.
      const next = known === entries.length ? 4 * this.#questionBytes : this.#packSize.target;
      this.#questionBytes = Math.min(next, this.#mostAsked);
      this.#askIfEnough();
      this.#change();
      this.#emitProgress();
    });
  }

  /** Queues those of `entries` that are missing, and counts the others as known. */
  #takeAnswer(entries: readonly Entry[], missing: readonly boolean[]): void {
    const allMissing = missing.every((isMissing) => isMissing);
    entries.forEach((entry, at) => {
      // It may have been sent before the answer, or another answer may have had it.
      if (!this.#asked.delete(entry)) return;
      this.#askedBytes -= entry.length;
      if (missing[at]) {
        this.#expectsKnown = false;
        if (!allMissing) setApart(entry);
        this.#missing.push(entry);
        this.#missingBytes += entry.length;
        return;
      }
      this.#counts.add({ bytesSaved: entry.length, savedChunks: 1 });
      this.#place(entry, "known");
    });
  }

  /** Sends packs until everything that was read is sent. */
  async #sendAll(): Promise<void> {
    for (;;) {
      while (!this.#hasPack()) {
        if (this.#readToEnd && this.#openQuestions.size === 0) return;
        await this.#nextChange();
      }
      const share = new PackShare(this.#supplies, this.#nextBytes);
      this.#shares.add(share);
      do {
        await this.#requests.notPaused();
        await this.#orStopped(share.take(), () => share.end());
      } while (share.lacks);
      if (this.#isOver) return;
      // More may have been read, and the target raised, during the wait.
      share.grow(this.#nextBytes);
      const entries = this.#takePack(Math.min(share.size, this.#packTarget));
      share.setSize(totalLength(entries));
      const pack = { entries, share, inTransit: { bytes: 0 } };
      this.#setUnsent(pack);
      this.#unanswered.add(pack);
      this.#spawn(() => this.#send(pack));
    }
  }

  /** Bytes of chunks that are missing, or probably missing. */
  get #sendableBytes(): number {
    return this.#missingBytes + (this.#expectsNew ? this.#askedBytes : 0);
  }

  /** Bytes of chunks that make a pack full. */
  get #packTarget(): number {
    // Until the server's limits are known, these are the ones that every server accepts.
    return Math.min(this.#packSize.target, this.#questions.limits.packBytes);
  }

  /** The size of the next pack, in bytes of chunks. */
  get #nextBytes(): number {
    return Math.min(this.#sendableBytes, this.#packTarget);
  }

  #hasPack(): boolean {
    const sendable = this.#sendableBytes;
    if (sendable >= this.#packTarget) return true;
    const answered = this.#openQuestions.size === 0 || this.#expectsNew;
    return sendable > 0 && (this.#needsRoom || (this.#readToEnd && answered));
  }

  /** Takes missing chunks, or probably missing ones, for a pack of at most `most` bytes: at least one. */
  #takePack(most: number): Entry[] {
    const full = this.#prefix(this.#missing, most);
    const entries = this.#missing.splice(0, full);
    let bytes = totalLength(entries);
    this.#missingBytes -= bytes;
    if (!this.#expectsNew || this.#missing.length > 0) return entries;
    for (const entry of this.#asked) {
      if (!this.#fits(entries.length + 1, bytes + entry.length, most)) break;
      this.#asked.delete(entry);
      this.#askedBytes -= entry.length;
      entries.push(entry);
      bytes += entry.length;
    }
    return entries;
  }

  /** How many of `entries` make a pack of at most `most` bytes: at least one. */
  #prefix(entries: readonly Entry[], most: number): number {
    let count = 0;
    let bytes = 0;
    for (const { length } of entries) {
      bytes += length;
      if (!this.#fits(count + 1, bytes, most)) break;
      count += 1;
    }
    return count;
  }

  /** Whether `count` chunks of `bytes` in total make a pack of at most `most` bytes. A single one always does. */
  #fits(count: number, bytes: number, most: number): boolean {
    if (count === 1) return true;
    const { packBytes, packChunks } = this.#questions.limits;
    return count <= packChunks && bytes <= most && bytes + tableBytes(count) <= packBytes;
  }

  async #send(pack: Pack): Promise<void> {
    const { entries, share } = pack;
    await this.#requests.notPaused();
    for (const { index } of entries) this.#emit(index, "sending");
    await this.#encode(entries);
    for (let rest = entries; rest.length > 0; ) {
      const taken = await this.#requests.run((signal) => this.#attempt(rest, pack, signal));
      if (!this.#unanswered.has(pack)) return;
      this.#placeSent(rest.slice(0, taken));
      rest = rest.slice(taken);
    }
    this.#unanswered.delete(pack);
    this.#setSent(pack); // not every exchange reports how much was sent
    share.end();
    this.#shares.delete(share);
  }

  #placeSent(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const onWire = entry.encoded?.length ?? entry.length;
      this.#counts.add({ bytesSent: entry.length, bytesOnWire: onWire, newChunks: 1 });
      this.#place(entry, "sent");
      this.#emit(entry.index, "sent");
    }
    this.#emitProgress();
  }

  #setUnsent(pack: Pack): void {
    this.#unbegun.add(pack);
    this.#unsent.add(pack);
  }

  #setBegun(pack: Pack): void {
    this.#unbegun.delete(pack);
    this.#change();
  }

  #setSent(pack: Pack): void {
    pack.share.sent();
    this.#unsent.delete(pack);
    this.#setBegun(pack);
  }

  /** Sends as many of the first `entries` as fit, the rest of `pack`; returns their number. */
  async #attempt(entries: readonly Entry[], pack: Pack, signal: AbortSignal): Promise<number> {
    if (this.#isOver) return entries.length;
    await orReason(pack.share.take(), signal);
    this.#setUnsent(pack);
    const knewLimits = this.#questions.knowsLimits;
    const count = this.#prefix(entries, this.#packSize.target);
    const sending = entries.slice(0, count);
    const isLast = count === entries.length;
    const body = await packBody(sending, this.#table, this.#source);
    const began = performance.now();
    // After a pause, an earlier request may end later than this one begins.
    const inTransit = { bytes: 0 };
    pack.inTransit = inTransit;
    let hasEnded = false;
    const onSent = (bytes: number) => {
      if (signal.aborted || hasEnded) return;
      inTransit.bytes = bytes;
      if (bytes === body.length && isLast) this.#setSent(pack);
      this.#emitProgress();
    };
    const beginning = isLast ? setTimeout(() => this.#setBegun(pack), BEGINNING_MS) : undefined;
    try {
      await this.#transport.putPack(this.#hash, body, { signal, onSent });
      this.#packSize.taken(body.length, performance.now() - began);
      this.#source.takeBack(body.parts);
      return count;
    } catch (caught) {
      signal.throwIfAborted();
      this.#setUnsent(pack);
      return await this.#afterFailure(caught, sending, body, knewLimits);
    } finally {
      hasEnded = true; // a write that had begun may still be reported
      clearTimeout(beginning);
      inTransit.bytes = 0;
    }
  }

  /** Returns 0 if the same chunks may be sent in other packs right away; otherwise throws. */
  async #afterFailure(
    caught: unknown,
    entries: readonly Entry[],
    { length }: Body,
    knewLimits: boolean,
  ): Promise<number> {
    const error = asDedupError(caught);
    if (error?.code === "network_error" || error?.code === "request_timeout") {
      // `fetch` says of a file that cannot be read what it says of a network that is down.
      await this.#source.check();
      this.#packSize.lost(length);
    }
    if (error?.code === "pack_too_large" || error?.code === "too_many_chunks") {
      if (knewLimits || entries.length === 1) throw error;
      await this.#questions.askLimits();
      return 0;
    }
    if (error?.code === "body_too_large") {
      if (entries.length > 1) {
        this.#packSize.refused(length);
        return 0;
      }
      throw new DedupError(
        "body_too_large",
        `a proxy refuses a body of ${length} bytes, the size of a single chunk: raise its limit (nginx: ` +
          "client_max_body_size), or use a profile with smaller chunks",
        { status: 413, cause: error },
      );
    }
    if (error?.code === "chunk_digest_mismatch" && this.#source.isRereadable) {
      throw sourceChanged("no longer has the bytes that were hashed", caught);
    }
    throw caught;
  }

  /** Compresses chunks, if requested, and drops the uncompressed form. */
  async #encode(entries: readonly Entry[]): Promise<void> {
    if (!this.#encoder.isOn) return;
    for (const entry of entries) {
      const start = this.#table.offsetOf(entry.index);
      const payload = entry.payload
        ? joined(entry.payload)
        : await this.#source.read(start, start + entry.length);
      const encoded = await this.#encoder.encode(payload);
      this.#stop.signal.throwIfAborted();
      if (encoded.length >= entry.length) continue;
      entry.encoded = encoded;
      entry.payload = undefined;
    }
  }

  /** Records that the server has the chunk. */
  #place(entry: Entry, place: "known" | "sent"): void {
    const before = this.#table.place(entry.index);
    this.#table.setPlace(entry.index, place);
    if (before === "absent") this.#bytesDone += this.#table.bytesOf(entry.index);
    this.#giveRoom(entry);
    // A question about the chunk may still be open, and would keep its bytes.
    entry.payload = undefined;
    entry.encoded = undefined;
    if (place === "known") this.#emit(entry.index, "known");
  }

  /**
   * If no chunk was missing so far, commits the file instead of asking about its end and waiting for answers.
   * Returns whether that succeeded. If it was refused, the refusal answers all open questions.
   */
  async #commitAsKnown(root: string, manifest: ByteArray): Promise<boolean> {
    if (!this.#expectsKnown) return false;
    await this.#source.check();
    // An answer may have arrived meanwhile.
    if (!this.#expectsKnown) return false;
    let missing: ReadonlySet<string> = new Set();
    try {
      await this.#requests.run((signal) =>
        this.#transport.putManifest(root, manifest, { signal, expect: "known" }),
      );
      this.#isOver = true;
    } catch (caught) {
      const error = asDedupError(caught);
      if (error?.code !== "chunks_missing" || error.missing === undefined) throw caught;
      missing = new Set(error.missing);
      if (missing.size === 0) throw caught;
      if (missing.size < (error.count ?? 0)) return false;
    }
    // The answer is newer than any to a question.
    for (const entry of [...this.#unasked, ...this.#missing]) {
      this.#asked.add(entry);
      this.#askedBytes += entry.length;
    }
    this.#unasked = [];
    this.#unaskedBytes = 0;
    this.#missing = [];
    this.#missingBytes = 0;
    const entries = [...this.#asked];
    const lacking = new Set([...missing].map((digest) => this.#table.find(fromHex(digest))));
    this.#takeAnswer(
      entries,
      entries.map(({ index }) => lacking.has(index)),
    );
    if (this.#isOver) this.#placeUnanswered();
    this.#emitProgress();
    return this.#isOver;
  }

  /**
   * Waits for the answers to all packs. To save a round trip, commits the file as soon as all packs are on their way,
   * and again when they are sent, if that was too early. Returns whether the file is committed.
   */
  async #commitAsSent(root: string, manifest: ByteArray): Promise<boolean> {
    for (const awaited of [this.#unbegun, this.#unsent]) {
      for (;;) {
        await this.#requests.notPaused();
        if (this.#unanswered.size === 0 || awaited.size === 0) break;
        await this.#nextChange();
      }
      const areSent = this.#unsent.size === 0;
      if (this.#unanswered.size === 0) break;
      try {
        await this.#commitBeforeAnswers(root, manifest);
        return true;
      } catch (caught) {
        this.#stop.signal.throwIfAborted();
        if (this.#isOver) throw caught; // by a callback
        const error = asDedupError(caught);
        // On a slow link, packs may take longer than the limit for an answer.
        const wasEarly = error?.code === "chunks_missing" || error?.code === "request_timeout";
        if (!wasEarly) {
          await this.#settle();
          // The server may have said when to come back. This was not an attempt that was due.
          if (error?.retryable) await this.#requests.waitAfter(error);
          return false;
        }
      }
      if (areSent) break;
    }
    await this.#settle();
    return false;
  }

  async #commitBeforeAnswers(root: string, manifest: ByteArray): Promise<void> {
    const request = new AbortController();
    const commit = (signal: AbortSignal) =>
      this.#transport.putManifest(root, manifest, { signal, expect: "sent" });
    const committing = this.#requests.once(commit, request).then(() => true);
    const answered = this.#settle().then(() => orIdle(committing, LATE_COMMIT_MS));
    if (!(await Promise.race([committing, answered]))) {
      const message = "the server may be waiting for a pack of another client";
      request.abort(new DedupError("request_timeout", message));
      await committing;
    }
    // The file is committed, so the packs are stored, whatever becomes of their answers.
    this.#isOver = true;
    await orIdle(this.#settle(), LATE_PACKS_MS);
    this.#placeUnanswered();
  }

  /** Once the file is committed: its packs are stored, even if they have no answer. */
  #placeUnanswered(): void {
    const unanswered = [...this.#unanswered];
    this.#unanswered.clear();
    for (const { entries } of unanswered) {
      this.#placeSent(entries.filter(({ index }) => this.#table.place(index) === "absent"));
    }
  }

  async #commit(root: string, manifest: ByteArray): Promise<void> {
    for (let commits = 1; ; commits += 1) {
      try {
        await this.#requests.run((signal) =>
          this.#transport.putManifest(root, manifest, { signal }),
        );
        return;
      } catch (caught) {
        const error = asDedupError(caught);
        if (error?.code !== "chunks_missing" || error.missing?.length === 0) throw caught;
        // A server that loses what it confirms would make this endless.
        if (commits >= COMMITS || !this.#source.isRereadable) throw caught;
        await this.#sendAgain(error.missing ?? []);
      }
    }
  }

  /** Sends chunks that the server confirmed and then lost. */
  async #sendAgain(digests: readonly string[]): Promise<void> {
    for (const digest of digests) {
      const index = this.#table.find(fromHex(digest));
      if (index === undefined) {
        throw new DedupError(
          "protocol_error",
          "the server asked for a chunk that is not in the manifest",
        );
      }
      const length = this.#table.lengthOf(index);
      const place = this.#table.place(index);
      if (place === "absent") continue;
      if (place === "known") this.#counts.add({ bytesSaved: -length, savedChunks: -1 });
      this.#table.setPlace(index, "absent");
      this.#bytesDone -= this.#table.bytesOf(index);
      this.#missing.push({ index, length, room: 0, payload: undefined });
      this.#missingBytes += length;
    }
    await this.#sendAll();
    await this.#settle();
  }

  /** Wakes the sender: there may be more to do. */
  #change(): void {
    this.#changed?.();
    this.#changed = undefined;
  }

  async #nextChange(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
    this.#stop.signal.throwIfAborted();
  }

  /** Runs `task` concurrently; its failure is the upload's. */
  #spawn(task: () => Promise<void>): void {
    const running = task().catch((error: unknown) => this.fail(error));
    const tracked = running.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  async #settle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    this.#stop.signal.throwIfAborted();
  }

  /** Awaits some of what uploads share; gives it `back` if this upload has ended by then. */
  async #orStopped(taking: Promise<void>, back: () => void): Promise<void> {
    const { signal } = this.#stop;
    await orReason(taking, signal, back);
    if (!signal.aborted) return;
    back();
    throw signal.reason;
  }

  #emit(index: number, state: ChunkState): void {
    const { onChunk } = this.#options;
    if (onChunk === undefined || this.#stop.signal.aborted) return;
    const table = this.#table;
    const digest = toHex(table.digest(index));
    onChunk({ index, offset: table.offsetOf(index), length: table.lengthOf(index), digest, state });
  }

  #emitProgress(): void {
    if (!this.#stop.signal.aborted) this.#options.onProgress?.(this.progress);
  }
}
