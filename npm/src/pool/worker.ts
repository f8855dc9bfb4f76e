// The code inside a worker: cuts and hashes segments, each with its own chunker.

import type { ByteArray } from "../bytes.js";
import { createAsyncCutter } from "../cutter/create.js";
import type { AsyncCutter } from "../cutter/types.js";
import { ChunkerError, failureOf } from "../errors.js";
import { load } from "../load.js";
import { resolveProfile } from "../profile.js";
import { type Cutting, type Order, packFailure, type Reply, type Request } from "./messages.js";

type Post = (reply: Reply, transfer: ArrayBuffer[]) => void;
type Records = ByteArray;

/** Creates what cuts a segment. */
export type CreateCutter = (cutting: Cutting) => AsyncCutter;

export const createCutter: CreateCutter = ({ profile, offset }) =>
  createAsyncCutter(resolveProfile(profile), offset);

/** Reads a blob from its start, in pieces of about 1 MiB, each valid until the next is requested. */
export type ReadBlob = (blob: Blob) => AsyncGenerator<Records, void, undefined>;

/**
 * Returns a handler for requests; `post` sends the replies.
 *
 * @param load Loads the module, and resolves with what creates its cutters.
 */
export function serving(
  post: Post,
  readBlob: ReadBlob,
  load: () => Promise<CreateCutter>,
): (request: Request) => void {
  const segments = new Map<number, Segment>();
  return (request) => {
    if (request.type === "open") {
      segments.set(request.segment, new Segment(request, post, readBlob, load));
      return;
    }
    const segment = segments.get(request.segment);
    if (request.type === "close") {
      segments.delete(request.segment);
      segment?.close();
    } else segment?.take(request);
  };
}

/** Returns a handler for everything that a worker of the pool is sent. */
export function working(post: Post, readBlob: ReadBlob): (order: Order) => void {
  let loaded: Promise<void> | undefined;
  const serve = serving(post, readBlob, async () => {
    await loaded;
    return createCutter;
  });
  return (order) => {
    if (order.type === "load") {
      loaded = load(order.module);
      // Reported by the segments that are opened.
      loaded.catch(() => {});
    } else serve(order);
  };
}

type Opening = Extract<Request, { type: "open" }>;
type Work = Exclude<Request, { type: "open" | "close" }>;

class Segment {
  readonly #opening: Opening;
  readonly #post: Post;
  readonly #readBlob: ReadBlob;
  readonly #load: () => Promise<CreateCutter>;
  #chunker: AsyncCutter | undefined;
  #blob: ReturnType<ReadBlob> | undefined;
  /** Read from the blob, but not yet requested. */
  #unread: Records = new Uint8Array(0);
  #closed = false;
  /** Settles when all requests so far are answered. */
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

  /** Does one step of the work; the first error ends the segment. */
  async #step(work: () => Promise<void>): Promise<void> {
    if (this.#closed) return;
    try {
      await work();
    } catch (error) {
      this.#closed = true;
      this.#release();
      this.#post({ segment: this.#opening.segment, failure: packFailure(failureOf(error)) }, []);
    }
  }

  async #open(): Promise<void> {
    const createCutter = await this.#load();
    const { cutting, blob } = this.#opening;
    this.#chunker = createCutter(cutting);
    if (blob !== undefined) this.#blob = this.#readBlob(blob);
  }

  async #answer(request: Work): Promise<void> {
    const { segment, type } = request;
    const chunker = this.#chunker;
    if (chunker === undefined)
      throw new ChunkerError("chunker_closed", "the input was already finished");
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
      { segment, length, records: found },
      found.map(({ buffer }) => buffer),
    );
  }

  async #read(chunker: AsyncCutter, length: number, records: Records[]): Promise<void> {
    for (let left = length; left > 0; ) {
      if (this.#unread.length === 0) {
        const piece = (await this.#blob?.next())?.value;
        if (this.#closed) return;
        if (!piece) throw new ChunkerError("invalid_argument", "the Blob is shorter than its size");
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
    // Not awaited: no one is left to report an error to.
    this.#blob?.return().catch(() => {});
    this.#blob = undefined;
  }
}
