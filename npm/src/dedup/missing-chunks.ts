// Between reading and sending: which chunks the server lacks.

import { joined, totalLength } from "../bytes.js";
import { type Entry, fitsPack, packPrefix, setApart } from "./pack-body.js";
import { QUESTIONS } from "./questions.js";
import type { UploadContext } from "./upload-context.js";

/** Bytes of chunks after which to ask for the first time. */
const FIRST_QUESTION_BYTES = 4 * 1024 * 1024;
/**
 * Least time between questions while the whole file may be known, in milliseconds, unless one is full or memory is:
 * reading needs the CPU time that they take.
 */
const ASKED_AFTER_MS = 50;

/** Asks which of the chunks that were read are missing, and hands them out in packs. */
export class MissingChunks {
  readonly #context: UploadContext;
  readonly #mostAsked: number;
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
  #expectsKnown: boolean;
  #isReadToEnd = false;
  #needsRoom = false;

  /** @param assumeNew Whether to send chunks before the first answer. */
  constructor(context: UploadContext, assumeNew: boolean) {
    this.#context = context;
    this.#mostAsked = context.supplies.bytes.capacity / QUESTIONS;
    const first = Math.min(FIRST_QUESTION_BYTES, context.packSize.target);
    this.#questionBytes = Math.min(first, this.#mostAsked);
    this.#expectsNew = assumeNew;
    this.#expectsKnown = !assumeNew;
  }

  /** Whether the whole file may be known, since no chunk was missing so far. */
  get expectsKnown(): boolean {
    return this.#expectsKnown;
  }

  /** Number of chunks that were read but neither sent nor answered yet. */
  get unanswered(): number {
    return this.#unasked.length + this.#asked.size;
  }

  /** Adds a chunk that was read. */
  add(entry: Entry): void {
    this.#unasked.push(entry);
    this.#unaskedBytes += entry.length;
    this.askIfEnough();
  }

  /** Adds a chunk that the server has lost. */
  addLost(index: number): void {
    const length = this.#context.ledger.table.lengthOf(index);
    this.#missing.push({ index, length, room: 0, payload: undefined });
    this.#missingBytes += length;
  }

  /** Nothing more is read until there is room: what was gathered has to be asked about and sent. */
  readingWaits(): void {
    this.#needsRoom = true;
    this.#ask();
    this.#context.tasks.changed();
  }

  /** There was room. */
  readingContinues(): void {
    this.#needsRoom = false;
  }

  /** Everything is read. */
  readToEnd(): void {
    this.#ask();
    this.#isReadToEnd = true;
    this.#context.tasks.changed();
  }

  /** Asks if enough chunks wait for it. */
  askIfEnough(): void {
    const [first] = this.#unasked;
    if (first === undefined) return;
    const { missingDigests, packChunks } = this.#context.questions.limits;
    const mostChunks = Math.min(missingDigests, packChunks);
    // While no more questions may be open, a larger one costs no more time than a small one. Only chunks that are
    // held limit its bytes.
    const isBusy = this.#openQuestions.size >= QUESTIONS && !this.#expectsNew;
    const isSoon = this.#expectsKnown && performance.now() < this.#askedAt + ASKED_AFTER_MS;
    const most = this.#context.source.keepsBytes ? this.#mostAsked : Number.POSITIVE_INFINITY;
    const wanted = isBusy || isSoon ? most : this.#questionBytes;
    const enough = this.#unaskedBytes >= wanted || this.#bytesSince(first) >= 2 * wanted;
    if (enough || this.#unasked.length >= mostChunks) this.#ask();
  }

  /** Bytes read since the chunk began: also those of repetitions, which are kept with what lies around them. */
  #bytesSince({ index }: Entry): number {
    const { table } = this.#context.ledger;
    return table.length - table.offsetOf(index);
  }

  /** Asks which of the chunks that were read are missing. */
  #ask(): void {
    const entries = this.#unasked;
    const [first] = entries;
    if (first === undefined) return;
    const { ledger, questions, tasks } = this.#context;
    if (this.#bytesSince(first) >= 2 * this.#unaskedBytes) entries.forEach(setApart);
    this.#unasked = [];
    this.#unaskedBytes = 0;
    this.#addAsked(entries);
    this.#openQuestions.add(first.index);
    this.#askedAt = performance.now();
    tasks.changed();
    tasks.spawn(async () => {
      const digests = joined(entries.map(({ index }) => ledger.table.digest(index)));
      const missing = await questions.missing(ledger.hash, digests);
      if (ledger.isCommitted) return;
      this.#takeAnswer(first, entries, missing);
      this.askIfEnough();
      tasks.changed();
      ledger.emitProgress();
    });
  }

  #addAsked(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#asked.add(entry);
      this.#askedBytes += entry.length;
    }
  }

  /** Takes the answer to the question that began with `first`. */
  #takeAnswer(first: Entry, entries: readonly Entry[], missing: readonly boolean[]): void {
    const [oldest] = this.#openQuestions;
    this.#openQuestions.delete(first.index);
    const known = missing.filter((isMissing) => !isMissing).length;
    this.#sort(entries, missing);
    if (known > 0) this.#expectsNew = false;
    // Earlier questions that are still unanswered may be about known chunks.
    else if (oldest === first.index) this.#expectsNew = true;
    // A question costs a request: if little has to be sent, fewer are enough.
    const { target } = this.#context.packSize;
    const next = known === entries.length ? 4 * this.#questionBytes : target;
    this.#questionBytes = Math.min(next, this.#mostAsked);
  }

  /** Queues those of `entries` that are missing, and counts the others as known. */
  #sort(entries: readonly Entry[], missing: readonly boolean[]): void {
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
      } else {
        this.#context.ledger.known(entry);
      }
    });
  }

  /** Takes the answer to a commit, which is newer than any to a question: `lacking` are the only chunks missing. */
  answerAll(lacking: ReadonlySet<number>): void {
    this.#addAsked(this.#unasked.splice(0));
    this.#unaskedBytes = 0;
    this.#addAsked(this.#missing.splice(0));
    this.#missingBytes = 0;
    const entries = [...this.#asked];
    this.#sort(
      entries,
      entries.map(({ index }) => lacking.has(index)),
    );
  }

  /** Whether everything is read, and asked about, and answered. */
  get isComplete(): boolean {
    return this.#isReadToEnd && this.#openQuestions.size === 0;
  }

  /** Whether to send a pack now. */
  get hasPack(): boolean {
    const sendable = this.#sendableBytes;
    if (sendable >= this.#packTarget) return true;
    const answered = this.#openQuestions.size === 0 || this.#expectsNew;
    return sendable > 0 && (this.#needsRoom || (this.#isReadToEnd && answered));
  }

  /** Bytes of chunks that the next pack can have. */
  get nextBytes(): number {
    return Math.min(this.#sendableBytes, this.#packTarget);
  }

  /** Bytes of chunks that are missing, or probably missing. */
  get #sendableBytes(): number {
    return this.#missingBytes + (this.#expectsNew ? this.#askedBytes : 0);
  }

  /** Bytes of chunks that make a pack full. */
  get #packTarget(): number {
    const { packSize, questions } = this.#context;
    // Until the server's limits are known, these are the ones that every server accepts.
    return Math.min(packSize.target, questions.limits.packBytes);
  }

  /** Takes missing chunks, or probably missing ones, for a pack of at most `bytes`: at least one. */
  take(bytes: number): Entry[] {
    const { limits } = this.#context.questions;
    const most = Math.min(bytes, this.#packTarget);
    const entries = this.#missing.splice(0, packPrefix(this.#missing, most, limits));
    let length = totalLength(entries);
    this.#missingBytes -= length;
    if (!this.#expectsNew || this.#missing.length > 0) return entries;
    for (const entry of this.#asked) {
      if (!fitsPack(entries.length + 1, length + entry.length, most, limits)) break;
      this.#asked.delete(entry);
      this.#askedBytes -= entry.length;
      entries.push(entry);
      length += entry.length;
    }
    return entries;
  }
}
