import { type HashAlgorithm, toHex } from "../index.js";
import { uploadCounts } from "../metrics.js";
import { ChunkTable } from "./chunk-table.js";
import type { Entry } from "./pack-body.js";
import type { ReadShare } from "./supplies.js";
import type { ChunkState, UploadOptions } from "./upload-options.js";

/** Records what becomes of the chunks of an upload, and reports it. */
export class UploadLedger {
  readonly table = new ChunkTable();
  /** That of the profile, which is set before the first chunk. */
  hash: HashAlgorithm = "sha256";
  /** Whether the file is committed, even if some questions and packs have no answer yet. */
  isCommitted = false;
  readonly #room: ReadShare;
  readonly #options: Pick<UploadOptions, "onChunk">;
  readonly #onProgress: () => void;
  readonly #signal: AbortSignal;
  readonly #counts = uploadCounts();
  #bytesDone = 0;

  /**
   * @param room What the chunks take of the supply.
   * @param options With what to call after each change of a chunk's state.
   * @param onProgress Called after changes.
   * @param signal Aborted when the upload has ended: nothing is reported afterwards.
   */
  constructor(
    room: ReadShare,
    options: Pick<UploadOptions, "onChunk">,
    onProgress: () => void,
    signal: AbortSignal,
  ) {
    this.#room = room;
    this.#options = options;
    this.#onProgress = onProgress;
    this.#signal = signal;
  }

  get counts() {
    return this.#counts.own;
  }

  /** Bytes of the source that the server is known to have. */
  get bytesDone(): number {
    return this.#bytesDone;
  }

  /** Records a chunk that was read; returns its number, and whether it is the first with its digest. */
  add(digest: Uint8Array, length: number): { readonly index: number; readonly isFirst: boolean } {
    const { index, first } = this.table.add(digest, length);
    this.#counts.add({ bytesRead: length, chunks: 1 });
    const isFirst = first === index;
    if (!isFirst) {
      if (this.table.place(first) !== "absent") this.#bytesDone += length;
      this.#counts.add({ bytesSaved: length, savedChunks: 1 });
    }
    this.emit(index, isFirst ? "found" : "duplicate");
    this.emitProgress();
    return { index, isFirst };
  }

  /** Records a chunk that the server had. */
  known(entry: Entry): void {
    this.#counts.add({ bytesSaved: entry.length, savedChunks: 1 });
    this.#place(entry, "known");
  }

  /** Records chunks that the server has accepted. */
  sent(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const onWire = entry.encoded?.length ?? entry.length;
      this.#counts.add({ bytesSent: entry.length, bytesOnWire: onWire, newChunks: 1 });
      this.#place(entry, "sent");
    }
    this.emitProgress();
  }

  #place(entry: Entry, place: "known" | "sent"): void {
    const { index, room } = entry;
    if (this.table.place(index) === "absent") this.#bytesDone += this.table.bytesOf(index);
    this.table.setPlace(index, place);
    this.#room.give(room);
    // A question about the chunk may still be open, and would keep its bytes.
    entry.payload = undefined;
    entry.encoded = undefined;
    this.emit(index, place);
  }

  /** Records that the server has lost a chunk; returns `false` if it never had it. */
  lost(index: number): boolean {
    const place = this.table.place(index);
    if (place === "absent") return false;
    if (place === "known") {
      this.#counts.add({ bytesSaved: -this.table.lengthOf(index), savedChunks: -1 });
    }
    this.table.setPlace(index, "absent");
    this.#bytesDone -= this.table.bytesOf(index);
    return true;
  }

  /** Records that a request is sent again. */
  retried(): void {
    this.#counts.add({ retries: 1 });
  }

  emit(index: number, state: ChunkState): void {
    const { onChunk } = this.#options;
    if (onChunk === undefined || this.#signal.aborted) return;
    const { table } = this;
    const [offset, length] = [table.offsetOf(index), table.lengthOf(index)];
    onChunk({ index, offset, length, digest: toHex(table.digest(index)), state });
  }

  emitProgress(): void {
    if (!this.#signal.aborted) this.#onProgress();
  }
}
