import type { ByteArray } from "../bytes.js";
import { fromHex } from "../index.js";
import { asDedupError, DedupError } from "./error.js";
import { orIdle } from "./idle.js";
import type { MissingChunks } from "./missing-chunks.js";
import type { PackSender } from "./pack-sender.js";
import type { UploadContext } from "./upload-context.js";

/** How much later than the answers to its packs the answer to an early commit may come, in milliseconds. */
const LATE_COMMIT_MS = 3000;
/** How much later than the answer to an early commit those to the packs may come, in milliseconds. */
const LATE_PACKS_MS = 1000;
/** How many commits to try while the server loses chunks before them. */
const COMMITS = 5;

/** Commits a file, without waiting for answers that a commit makes superfluous. */
export class UploadCommit {
  readonly #context: UploadContext;
  readonly #missing: MissingChunks;
  readonly #sender: PackSender;
  readonly #root: string;
  readonly #manifest: ByteArray;

  constructor(
    context: UploadContext,
    missing: MissingChunks,
    sender: PackSender,
    root: string,
    manifest: ByteArray,
  ) {
    this.#context = context;
    this.#missing = missing;
    this.#sender = sender;
    this.#root = root;
    this.#manifest = manifest;
  }

  /**
   * If no chunk was missing so far, commits the file instead of asking about its end and waiting for answers.
   * Returns whether that succeeded. If it was refused, the refusal answers all open questions.
   */
  async asKnown(): Promise<boolean> {
    const { source, requests, transport, ledger } = this.#context;
    const missing = this.#missing;
    if (!missing.expectsKnown) return false;
    await source.check();
    // An answer may have arrived meanwhile.
    if (!missing.expectsKnown) return false;
    let lacking: readonly string[] = [];
    try {
      await requests.run((signal) =>
        transport.putManifest(this.#root, this.#manifest, { signal, expect: "known" }),
      );
      ledger.isCommitted = true;
    } catch (caught) {
      const error = asDedupError(caught);
      if (error?.code !== "chunks_missing" || !error.missing?.length) throw caught;
      lacking = error.missing;
      if (new Set(lacking).size < (error.count ?? 0)) return false;
    }
    missing.answerAll(new Set(lacking.map((digest) => this.#indexOf(digest))));
    if (ledger.isCommitted) this.#sender.placeUnanswered();
    ledger.emitProgress();
    return ledger.isCommitted;
  }

  /**
   * Waits for the answers to all packs. To save a round trip, commits the file as soon as all packs are on their way,
   * and again when they are sent, if that was too early. Returns whether the file is committed.
   */
  async asSent(): Promise<boolean> {
    const { requests, tasks, ledger } = this.#context;
    const sender = this.#sender;
    for (const awaited of ["unbegun", "unsent"] as const) {
      for (;;) {
        await requests.notPaused();
        if (sender.unanswered === 0 || sender[awaited] === 0) break;
        await tasks.nextChange();
      }
      const areSent = sender.unsent === 0;
      if (sender.unanswered === 0) break;
      try {
        await this.#beforeAnswers();
        return true;
      } catch (caught) {
        tasks.signal.throwIfAborted();
        if (ledger.isCommitted) throw caught; // by a callback
        const error = asDedupError(caught);
        // On a slow link, packs may take longer than the limit for an answer.
        const wasEarly = error?.code === "chunks_missing" || error?.code === "request_timeout";
        if (!wasEarly) {
          await tasks.settled();
          // The server may have said when to come back. This was not an attempt that was due.
          if (error?.retryable) await requests.waitAfter(error);
          return false;
        }
      }
      if (areSent) break;
    }
    await tasks.settled();
    return false;
  }

  async #beforeAnswers(): Promise<void> {
    const { requests, transport, tasks, ledger } = this.#context;
    const request = new AbortController();
    const commit = (signal: AbortSignal) =>
      transport.putManifest(this.#root, this.#manifest, { signal, expect: "sent" });
    const committing = requests.once(commit, request).then(() => true);
    const answered = tasks.settled().then(() => orIdle(committing, LATE_COMMIT_MS));
    if (!(await Promise.race([committing, answered]))) {
      const message = "the server may be waiting for a pack of another client";
      request.abort(new DedupError("request_timeout", message));
      await committing;
    }
    // The file is committed, so the packs are stored, whatever becomes of their answers.
    ledger.isCommitted = true;
    await orIdle(tasks.settled(), LATE_PACKS_MS);
    this.#sender.placeUnanswered();
  }

  /** Commits the file after the answers to all packs; sends again what the server has lost. */
  async asStored(): Promise<void> {
    const { source, requests, transport } = this.#context;
    for (let commits = 1; ; commits += 1) {
      try {
        await requests.run((signal) =>
          transport.putManifest(this.#root, this.#manifest, { signal }),
        );
        return;
      } catch (caught) {
        const error = asDedupError(caught);
        if (error?.code !== "chunks_missing" || error.missing?.length === 0) throw caught;
        // A server that loses what it confirms would make this endless.
        if (commits >= COMMITS || !source.isRereadable) throw caught;
        await this.#sendAgain(error.missing ?? []);
      }
    }
  }

  /** Sends chunks that the server confirmed and then lost. */
  async #sendAgain(digests: readonly string[]): Promise<void> {
    const { ledger, tasks } = this.#context;
    for (const digest of digests) {
      const index = this.#indexOf(digest);
      if (ledger.lost(index)) this.#missing.addLost(index);
    }
    await this.#sender.sendAll(this.#missing);
    await tasks.settled();
  }

  #indexOf(digest: string): number {
    const index = this.#context.ledger.table.find(fromHex(digest));
    if (index !== undefined) return index;
    throw new DedupError(
      "protocol_error",
      "the server asked for a chunk that is not in the manifest",
    );
  }
}
