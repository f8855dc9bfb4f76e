import { invalidArgument } from "../errors.js";
import type { ByteSource } from "../index.js";
import type { ConfirmedChunk, ResumeStore } from "./resume.js";

/** The record is written at most this often, so that tiny chunks do not make it the bottleneck. */
const RECORD_INTERVAL_MS = 500;

/** The resume record of one upload: a gapless prefix of confirmed chunks, written now and then. */
export class PrefixRecord {
  readonly #store: ResumeStore;
  readonly #key: string;
  /** What an earlier upload left. */
  readonly loaded: readonly ConfirmedChunk[];
  #recorded = 0;
  #pending: ConfirmedChunk[] = [];
  #lastWrite = 0;
  #writing: Promise<void> = Promise.resolve();
  #broken = false;

  private constructor(store: ResumeStore, key: string, loaded: readonly ConfirmedChunk[]) {
    this.#store = store;
    this.#key = key;
    this.loaded = loaded;
  }

  static async open(store: ResumeStore, key: string): Promise<PrefixRecord> {
    try {
      return new PrefixRecord(store, key, await store.load(key));
    } catch {
      const record = new PrefixRecord(store, key, []);
      record.#broken = true;
      return record;
    }
  }

  /** The first `count` loaded chunks stay; what follows is written anew. */
  startAt(count: number): void {
    this.#recorded = count;
  }

  /** Records the chunks that follow the prefix and are confirmed. */
  advance<T extends ConfirmedChunk>(
    chunks: readonly T[],
    isConfirmed: (chunk: T) => boolean,
  ): void {
    for (;;) {
      const next = chunks[this.#recorded + this.#pending.length];
      if (next === undefined || !isConfirmed(next)) break;
      this.#pending.push({ digest: next.digest, length: next.length });
    }
    if (performance.now() - this.#lastWrite >= RECORD_INTERVAL_MS) this.#write();
  }

  /** Resolves when everything confirmed is written. */
  async flush(): Promise<void> {
    this.#write();
    await this.#writing;
  }

  async delete(): Promise<void> {
    this.#pending = [];
    await this.#writing;
    if (!this.#broken) await this.#store.delete(this.#key).catch(() => {});
  }

  #write(): void {
    if (this.#pending.length === 0 || this.#broken) return;
    const first = this.#recorded;
    const pending = this.#pending;
    this.#pending = [];
    this.#recorded += pending.length;
    this.#lastWrite = performance.now();
    this.#writing = this.#writing
      .then(() => this.#store.append(this.#key, first, pending))
      .catch(() => {
        // A record with a gap would be wrong; the one that is there stays right.
        this.#broken = true;
      });
  }
}

/** Returns the name of the record of `source`. */
export function keyOf(source: ByteSource, profile: string): string {
  if (typeof File === "undefined" || !(source instanceof File)) {
    throw invalidArgument("a Blob without a name needs a resumeKey");
  }
  return [source.name, source.size, source.lastModified, profile].join("\n");
}
