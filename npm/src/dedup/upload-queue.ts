import type { ByteSource } from "../index.js";
import { checkedOptions, checkInteger } from "../options.js";
import { type Supplies, suppliesOf } from "./supplies.js";
import { checkTransport } from "./transport.js";
import { Upload } from "./upload.js";
import { COMMON_UPLOAD_KEYS, OWN_UPLOAD_KEYS } from "./upload-job.js";
import type { CommonUploadOptions, UploadOptions, UploadProgress } from "./upload-options.js";

/** Options of an {@link UploadQueue}. All its uploads share `concurrency` and `maxBytesInFlight`. */
export interface UploadQueueOptions extends CommonUploadOptions {
  /** Files to upload at the same time. Default: 2. */
  readonly files?: number | undefined;
}

/** Options of one file in a queue. */
export type QueuedUploadOptions = Omit<UploadOptions, keyof CommonUploadOptions>;

/** Progress of a queue: the sums of its uploads. */
export type QueueProgress = Omit<UploadProgress, "totalBytes"> & {
  /** Bytes of the sources whose size is known. */
  readonly totalBytes: number;
};

const DEFAULT_FILES = 2;

/**
 * Uploads of several files, taken in turn.
 *
 * ```ts
 * const queue = new UploadQueue({ transport });
 * const uploads = [...input.files].map((file) => queue.add(file));
 * await queue.settled();
 * ```
 */
export class UploadQueue {
  readonly #options: CommonUploadOptions;
  readonly #supplies: Supplies;
  readonly #files: number;
  readonly #uploads: Upload[] = [];
  readonly #waiting: Upload[] = [];
  readonly #running = new Set<Upload>();
  #isPaused = false;

  /** @throws {ChunkerError} `invalid_argument`. */
  constructor(options: UploadQueueOptions) {
    const checked = checkedOptions(options, ["files", ...COMMON_UPLOAD_KEYS]);
    const { files = DEFAULT_FILES, transport, ...others } = checked;
    checkInteger("files", files, 1);
    checkTransport(transport, "putPack");
    const common = { ...others, transport };
    this.#files = files;
    this.#options = common;
    this.#supplies = suppliesOf(common);
  }

  /** All uploads, in the order they were added. */
  get uploads(): readonly Upload[] {
    return this.#uploads;
  }

  get progress(): QueueProgress {
    const sum: Record<string, number> = {};
    for (const { progress } of this.#uploads) {
      for (const [name, amount = 0] of Object.entries(progress)) {
        sum[name] = (sum[name] ?? 0) + amount;
      }
    }
    return { ...NOTHING, ...sum };
  }

  /**
   * Adds a file at the end. Its `done` reports how it went; a failure does not stop the others.
   *
   * @throws {ChunkerError} `invalid_argument`.
   */
  add(source: ByteSource, options?: QueuedUploadOptions): Upload {
    const own = checkedOptions(options, OWN_UPLOAD_KEYS);
    const place = { supplies: this.#supplies };
    const upload = new Upload(source, { ...this.#options, ...own }, place);
    if (this.#isPaused) upload.pause();
    this.#uploads.push(upload);
    this.#waiting.push(upload);
    // It may be cancelled before its turn.
    const ended = () => {
      this.#running.delete(upload);
      const at = this.#waiting.indexOf(upload);
      if (at >= 0) this.#waiting.splice(at, 1);
      this.#advance();
    };
    upload.done.then(ended, ended);
    this.#advance();
    return upload;
  }

  /** Pauses all uploads, including future ones. */
  pause(): void {
    this.#isPaused = true;
    for (const upload of this.#uploads) upload.pause();
  }

  /** Continues all uploads after a pause. */
  resume(): void {
    this.#isPaused = false;
    for (const upload of this.#uploads) upload.resume();
  }

  /** Ends all uploads. */
  cancel(): void {
    for (const upload of this.#uploads) upload.cancel();
  }

  /** Resolves when all uploads have ended, successfully or not. */
  async settled(): Promise<void> {
    for (const { done } of this.#uploads) await done.catch(() => {});
  }

  #advance(): void {
    while (this.#running.size < this.#files) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running.add(next);
      next.start();
    }
  }
}

const NOTHING: QueueProgress = {
  totalBytes: 0,
  bytesDone: 0,
  bytesInTransit: 0,
  bytesRead: 0,
  bytesSent: 0,
  bytesOnWire: 0,
  bytesSaved: 0,
  chunks: 0,
  newChunks: 0,
  savedChunks: 0,
  retries: 0,
};
