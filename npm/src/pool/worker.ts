// The inside of a worker: cuts and hashes runs, each with a chunker of its own.

import type { ByteArray } from "../bytes.js";
import { createAsyncCutter } from "../cutter/create.js";
import type { AsyncCutter } from "../cutter/types.js";
import { ChunkerError, failureOf } from "../errors.js";
import { load } from "../load.js";
import { resolveProfile } from "../profile.js";
import { type Cutting, type Order, packFailure, type Reply, type Request } from "./messages.js";

type Post = (reply: Reply, transfer: ArrayBuffer[]) => void;
type Records = ByteArray;

/** Returns what cuts a run. */
export type CreateCutter = (cutting: Cutting) => AsyncCutter;

export const createCutter: CreateCutter = ({ profile, offset }) =>
  createAsyncCutter(resolveProfile(profile), offset);

/** Reads a blob from its start, in pieces of about 1 MiB; each is valid until the next is asked for. */
export type ReadBlob = (blob: Blob) => AsyncGenerator<Records, void, undefined>;

/**
 * Returns what is to be called with every request; `post` sends the replies.
 *
 * @param load Resolves when the module is loaded, with what makes its cutters.
 */
export function serving(
  post: Post,
  readBlob: ReadBlob,
  load: () => Promise<CreateCutter>,
): (request: Request) => void {
  const runs = new Map<number, Run>();
  return (request) => {
    if (request.type === "open") {
      runs.set(request.run, new Run(request, post, readBlob, load));
      return;
    }
    const run = runs.get(request.run);
    if (request.type === "close") {
      runs.delete(request.run);
      run?.close();
    } else run?.take(request);
  };
}

/** Returns what a worker of the pool is to call with all that it is sent. */
export function working(post: Post, readBlob: ReadBlob): (order: Order) => void {
  let loaded: Promise<void> | undefined;
  const serve = serving(post, readBlob, async () => {
    await loaded;
    return createCutter;
  });
  return (order) => {
    if (order.type === "load") {
      loaded = load(order.module);
      // Whoever opens a run is told of it.
      loaded.catch(() => {});
    } else serve(order);
  };
}

type Opening = Extract<Request, { type: "open" }>;
type Work = Exclude<Request, { type: "open" | "close" }>;

class Run {
  readonly #opening: Opening;
  readonly #post: Post;
  readonly #readBlob: ReadBlob;
  readonly #load: () => Promise<CreateCutter>;
  #chunker: AsyncCutter | undefined;
  #blob: ReturnType<ReadBlob> | undefined;
  /** What was read of the blob, but not yet asked for. */
  #unread: Records = new Uint8Array(0);
  #closed = false;
  /** Settles when all requests until now are answered. */
  #answered: Promise<void>;

  constructor(opening: Opening, post: Post, readBlob: ReadBlob, load: () => Promise<CreateCutter>) {
    this.#opening = opening;
    this.#post = post;
    this.#readBlob = readBlob;
    this.#load = load;
    this.#answered = this.#step(() => this.#open());
  }

  take(request: Work): void {
    const before = this.#answered;
    this.#answered = before.then(() => this.#step(() => this.#answer(request)));
  }

  close(): void {
    this.#closed = true;
    void this.#answered.then(() => this.#release());
  }

  /** Does one thing after another; the first error ends the run. */
  async #step(work: () => Promise<void>): Promise<void> {
    if (this.#closed) return;
    try {
      await work();
    } catch (error) {
      this.#closed = true;
      this.#release();
      this.#post({ run: this.#opening.run, failure: packFailure(failureOf(error)) }, []);
    }
  }

  async #open(): Promise<void> {
    const createCutter = await this.#load();
    const { cutting, blob } = this.#opening;
    this.#chunker = createCutter(cutting);
    if (blob !== undefined) this.#blob = this.#readBlob(blob);
  }

  async #answer(request: Work): Promise<void> {
    const { run, type } = request;
    const chunker = this.#chunker;
    if (chunker === undefined) throw new ChunkerError("chunker_closed", "used after its end");
    const records: Records[] = [];
    let length = 0;
    if (type === "feed") {
      length = request.bytes.length;
      records.push((await chunker.feed(request.bytes)) as Records);
    } else if (type === "read") {
      length = request.length;
      await this.#read(chunker, length, records);
    } else records.push((await chunker.finish()) as Records);
    if (this.#closed) return;
    const found = records.filter(({ length }) => length > 0);
    this.#post(
      { run, length, records: found },
      found.map(({ buffer }) => buffer),
    );
  }

  async #read(chunker: AsyncCutter, length: number, records: Records[]): Promise<void> {
    for (let left = length; left > 0; ) {
      if (this.#unread.length === 0) {
        const piece = (await this.#blob?.next())?.value;
        if (this.#closed) return;
        if (!piece) throw new ChunkerError("invalid_argument", "the Blob ends before its size");
        this.#unread = piece;
      }
      const part = this.#unread.subarray(0, left);
      records.push((await chunker.feed(part)) as Records);
      if (this.#closed) return;
      this.#unread = this.#unread.subarray(part.length);
      left -= part.length;
    }
  }

  #release(): void {
    this.#chunker?.free();
    this.#chunker = undefined;
    // Not awaited: the blob has no one left to tell of an error.
    this.#blob?.return().catch(() => {});
    this.#blob = undefined;
  }
}
