// Packs on their way to the server.

import { joined, totalLength } from "../bytes.js";
import type { ChunkEncoder } from "./encoder.js";
import { asDedupError, DedupError } from "./error.js";
import type { MissingChunks } from "./missing-chunks.js";
import { type Entry, packBody, packPrefix } from "./pack-body.js";
import { orReason } from "./retry.js";
import { PackShare } from "./supplies.js";
import type { Body } from "./transport.js";
import type { UploadContext } from "./upload-context.js";
import { sourceChanged } from "./upload-source.js";

/**
 * Milliseconds after which the head of a request has usually been sent. Pages learn only every 100 ms how much of a body
 * was sent.
 */
const BEGINNING_MS = 15;

/** Chunks that share a turn. They are sent in several requests if they do not fit into one. */
interface Pack {
  readonly entries: readonly Entry[];
  readonly share: PackShare;
  /** Bytes that the latest request has sent; 0 once it has ended. */
  inTransit: { bytes: number };
}

/** Sends the chunks that a server lacks, several packs at a time. */
export class PackSender {
  readonly #context: UploadContext;
  readonly #encoder: ChunkEncoder;
  /** What the packs have taken of the supplies. */
  readonly #shares = new Set<PackShare>();
  readonly #unbegun = new Set<Pack>();
  readonly #unsent = new Set<Pack>();
  readonly #unanswered = new Set<Pack>();

  constructor(context: UploadContext, encoder: ChunkEncoder) {
    this.#context = context;
    this.#encoder = encoder;
  }

  /** Number of packs whose beginning may reach the server after a commit that is sent now. */
  get unbegun(): number {
    return this.#unbegun.size;
  }

  /** Number of packs that their connections have not taken completely. */
  get unsent(): number {
    return this.#unsent.size;
  }

  /** Number of packs without an answer. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** Bytes that were sent of packs without an answer. */
  get bytesInTransit(): number {
    let bytes = 0;
    for (const { inTransit } of this.#unanswered) bytes += inTransit.bytes;
    return bytes;
  }

  /** While the upload is paused, leaves the supplies to others. */
  rest(): void {
    for (const share of this.#shares) share.rest();
  }

  /** Gives back everything: the upload has ended. */
  end(): void {
    for (const share of this.#shares) share.end();
  }

  /** Sends `missing` chunks until all are on their way. */
  async sendAll(missing: MissingChunks): Promise<void> {
    const { requests, supplies, tasks, ledger } = this.#context;
    for (;;) {
      while (!missing.hasPack) {
        if (missing.isComplete) return;
        await tasks.nextChange();
      }
      const share = new PackShare(supplies, missing.nextBytes);
      this.#shares.add(share);
      do {
        await requests.notPaused();
        await orReason(share.take(), tasks.signal);
      } while (share.lacks);
      if (ledger.isCommitted) return;
      // More may have been read, and the target raised, during the wait.
      share.grow(missing.nextBytes);
      const entries = missing.take(share.size);
      share.setSize(totalLength(entries));
      const pack = { entries, share, inTransit: { bytes: 0 } };
      this.#setUnsent(pack);
      this.#unanswered.add(pack);
      tasks.spawn(() => this.#send(pack));
    }
  }

  async #send(pack: Pack): Promise<void> {
    const { requests, ledger } = this.#context;
    const { entries, share } = pack;
    await requests.notPaused();
    for (const { index } of entries) ledger.emit(index, "sending");
    await this.#encode(entries);
    for (let rest = entries; rest.length > 0; ) {
      const taken = await requests.run((signal) => this.#attempt(rest, pack, signal));
      if (!this.#unanswered.has(pack)) return;
      ledger.sent(rest.slice(0, taken));
      rest = rest.slice(taken);
    }
    this.#unanswered.delete(pack);
    this.#setSent(pack); // not every exchange reports how much was sent
    share.end();
    this.#shares.delete(share);
  }

  /** Compresses chunks, if requested, and drops the uncompressed form. */
  async #encode(entries: readonly Entry[]): Promise<void> {
    if (!this.#encoder.isOn) return;
    const { source, tasks, ledger } = this.#context;
    for (const entry of entries) {
      const start = ledger.table.offsetOf(entry.index);
      const payload = entry.payload
        ? joined(entry.payload)
        : await source.read(start, start + entry.length);
      const encoded = await this.#encoder.encode(payload);
      tasks.signal.throwIfAborted();
      if (encoded.length >= entry.length) continue;
      entry.encoded = encoded;
      entry.payload = undefined;
    }
  }

  #setUnsent(pack: Pack): void {
    this.#unbegun.add(pack);
    this.#unsent.add(pack);
  }

  #setBegun(pack: Pack): void {
    this.#unbegun.delete(pack);
    this.#context.tasks.changed();
  }

  #setSent(pack: Pack): void {
    pack.share.sent();
    this.#unsent.delete(pack);
    this.#setBegun(pack);
  }

  /** Sends as many of the first `entries` as fit, the rest of `pack`; returns their number. */
  async #attempt(entries: readonly Entry[], pack: Pack, signal: AbortSignal): Promise<number> {
    const { ledger, packSize, questions, source, transport } = this.#context;
    if (ledger.isCommitted) return entries.length;
    await orReason(pack.share.take(), signal);
    this.#setUnsent(pack);
    const knewLimits = questions.knowsLimits;
    const count = packPrefix(entries, packSize.target, questions.limits);
    const sending = entries.slice(0, count);
    const isLast = count === entries.length;
    const body = await packBody(sending, ledger.table, source);
    const began = performance.now();
    // After a pause, an earlier request may end later than this one begins.
    const inTransit = { bytes: 0 };
    pack.inTransit = inTransit;
    let hasEnded = false;
    const onSent = (bytes: number) => {
      if (signal.aborted || hasEnded) return;
      inTransit.bytes = bytes;
      if (bytes === body.length && isLast) this.#setSent(pack);
      ledger.emitProgress();
    };
    const beginning = isLast ? setTimeout(() => this.#setBegun(pack), BEGINNING_MS) : undefined;
    try {
      await transport.putPack(ledger.hash, body, { signal, onSent });
      packSize.taken(body.length, performance.now() - began);
      source.takeBack(body.parts);
      return count;
    } catch (caught) {
      signal.throwIfAborted();
      this.#setUnsent(pack);
      await this.#afterFailure(caught, count, body, knewLimits);
      return 0;
    } finally {
      hasEnded = true; // a write that had begun may still be reported
      clearTimeout(beginning);
      inTransit.bytes = 0;
    }
  }

  /** Returns if the chunks of a refused pack may be sent in other packs right away; otherwise rejects. */
  async #afterFailure(
    caught: unknown,
    count: number,
    { length }: Body,
    knewLimits: boolean,
  ): Promise<void> {
    const { packSize, questions, source } = this.#context;
    const error = asDedupError(caught);
    switch (error?.code) {
      case "network_error":
      case "request_timeout":
        // `fetch` says of a file that cannot be read what it says of a network that is down.
        await source.check();
        packSize.lost(length);
        throw caught;
      case "pack_too_large":
      case "too_many_chunks":
        if (knewLimits || count === 1) throw caught;
        return questions.askLimits();
      case "body_too_large":
        if (count === 1) {
          throw new DedupError(
            "body_too_large",
            `a proxy refuses a body of ${length} bytes, the size of a single chunk: raise its limit (nginx: ` +
              "client_max_body_size), or use a profile with smaller chunks",
            { status: 413, cause: error },
          );
        }
        return packSize.refused(length);
      case "chunk_digest_mismatch":
        if (!source.isRereadable) throw caught;
        throw sourceChanged("no longer has the bytes that were hashed", caught);
      default:
        throw caught;
    }
  }

  /** Once the file is committed: its packs are stored, even if they have no answer. */
  placeUnanswered(): void {
    const { ledger } = this.#context;
    const unanswered = [...this.#unanswered];
    this.#unanswered.clear();
    for (const { entries } of unanswered) {
      ledger.sent(entries.filter(({ index }) => ledger.table.place(index) === "absent"));
    }
  }
}
