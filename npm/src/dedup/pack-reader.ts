import { ByteQueue } from "../byte-queue.js";
import { type ByteArray, bytesOf, isEqual, joined } from "../bytes.js";
import { DedupError } from "./error.js";
import { orIdle } from "./idle.js";
import { HEAD_BYTES, parsePackHead, parseRows, ROW_BYTES, type Row } from "./wire.js";

/** Consecutive chunks of a pack. */
export interface Stretch {
  readonly rows: readonly Row[];
  /** The bytes of the chunks as they came; none for a chunk that the server does not have. */
  readonly parts: readonly ByteArray[];
}

/** Limit for the bytes of chunks in a stretch; a single chunk may exceed it. */
const STRETCH_BYTES = 1024 * 1024;
/** Pieces shorter than this are copied, in bytes: a queue of very many parts would be slow. */
const SHORT = 4 * 1024;

/**
 * Yields the chunks of the pack that comes next in `reader`. Its table must match `expected`: these digests,
 * these lengths or 0, and encoded forms that are not longer. The pack of a download may have fewer chunks, or
 * further ones, up to `most` in all, which are not read. If nothing arrives for a while, or the pack ends early,
 * it yields the complete chunks so far.
 *
 * Throws a {@link DedupError}: `protocol_error`, or a retryable `network_error` if the pack ends early; or
 * the signal's reason.
 */
export async function* readPack(
  reader: ByteReader,
  expected: readonly { readonly hash: Uint8Array; readonly length: number }[],
  most?: number,
): AsyncGenerator<Stretch, void, undefined> {
  try {
    const count = parsePackHead(await reader.take(HEAD_BYTES));
    const isRight =
      most === undefined
        ? count === expected.length
        : count <= most && (count > 0 || expected.length === 0);
    if (!isRight) {
      const message = `the server's answer has ${count} chunks (expected ${expected.length})`;
      throw new DedupError("protocol_error", message);
    }
    const rows = parseRows(await reader.take(ROW_BYTES * Math.min(count, expected.length)));
    await reader.skip(ROW_BYTES * (count - rows.length));
    rows.forEach(({ digest, length, encodedLength }, index) => {
      const { hash, length: right } = expected[index] as (typeof expected)[number];
      const absent = length === 0 && encodedLength === 0;
      const present = length === right && encodedLength > 0 && encodedLength <= length;
      if (!(absent || present) || !isEqual(digest, hash)) {
        const message = `chunk ${index} of the server's answer is not the requested one`;
        throw new DedupError("protocol_error", message);
      }
    });
    for (let next = 0; next < rows.length; ) {
      const stretch = rows.slice(next, endOfStretch(rows, next));
      let length = encodedBytes(stretch);
      const arrived = await reader.wait(length, stretch[0]?.encodedLength);
      while (length > arrived) length -= stretch.pop()?.encodedLength ?? 0;
      next += stretch.length;
      if (stretch.length > 0) yield { rows: stretch, parts: reader.parts(length) };
      if (reader.failure !== undefined) throw reader.failure;
    }
    if (count === rows.length) await reader.finish();
  } finally {
    reader.end();
  }
}

function endOfStretch(rows: readonly Row[], start: number): number {
  let end = start + 1;
  let bytes = rows[start]?.length ?? 0;
  for (let row = rows[end]; row !== undefined; row = rows[end]) {
    bytes += row.length;
    if (bytes > STRETCH_BYTES) break;
    end += 1;
  }
  return end;
}

function encodedBytes(rows: readonly Row[]): number {
  let bytes = 0;
  for (const { encodedLength } of rows) bytes += encodedLength;
  return bytes;
}

/** Takes bytes from pieces of any length. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  /** Rejects the promise of the piece that we wait for. */
  #reject: (reason: unknown) => void = () => {};
  /** What has arrived and was not taken yet. */
  readonly #queue = new ByteQueue();
  /** The next piece, if it was already requested. */
  #coming: Promise<IteratorResult<Uint8Array>> | undefined;
  #isEnded = false;
  /** Why the pieces ended. */
  failure: unknown;

  constructor(pieces: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  /**
   * Waits for the next `length` bytes, and returns how many of them have arrived: all, unless there is a
   * `failure`, or `enough` are there and no more arrive for a while.
   */
  async wait(length: number, enough = length): Promise<number> {
    const queue = this.#queue;
    while (queue.length < length && (await this.#next(queue.length >= enough)));
    return Math.min(queue.length, length);
  }

  /** Takes the next `length` bytes, which have arrived. */
  parts(length: number): readonly ByteArray[] {
    return this.#queue.take(length);
  }

  /** Returns the next `length` bytes, or throws if there are fewer. */
  async take(length: number): Promise<ByteArray> {
    if ((await this.wait(length)) < length) throw this.failure;
    return joined(this.parts(length));
  }

  /** Drops the next `length` bytes, or throws if there are fewer. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const arrived = await this.wait(Math.min(left, STRETCH_BYTES));
      if (arrived === 0) throw this.failure;
      this.parts(arrived);
      left -= arrived;
    }
  }

  /** Waits for the next piece; returns whether there is one. */
  async #next(isHasty: boolean): Promise<boolean> {
    this.#coming ??= this.#orAborted(this.#pieces.next());
    try {
      const next = await (isHasty ? orIdle(this.#coming) : this.#coming);
      if (next === undefined) return false;
      this.#coming = undefined;
      if (!next.done) {
        const piece = bytesOf(next.value);
        if (piece.length < SHORT) this.#queue.pushCopy(piece);
        else this.#queue.push(compact(piece));
        return true;
      }
      this.failure = new DedupError("network_error", "the answer was cut short", {
        retryable: true,
      });
    } catch (error) {
      this.failure = error;
    }
    return false;
  }

  /**
   * Settles like `next`, or rejects when the signal aborts. All pieces share one listener: one for each, as
   * `orReason` adds, would take a fifth of the CPU time of a download in Node.
   */
  #orAborted<T>(next: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      next.then(resolve, reject);
      this.#signal.throwIfAborted();
    });
  }

  readonly #onAbort = () => this.#reject(this.#signal.reason);

  /** Waits a moment for the end after the last byte: only if an answer was read to its end is its connection kept. */
  async finish(): Promise<void> {
    await this.#next(true);
  }

  /** Ends the request. Not awaited: no one is left to report an error to. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#pieces.return?.().catch(() => {});
  }
}

/** Returns a piece, or a copy if its buffer is more than twice as long. */
function compact(piece: ByteArray): ByteArray {
  return piece.buffer.byteLength > 2 * piece.length ? piece.slice() : piece;
}
