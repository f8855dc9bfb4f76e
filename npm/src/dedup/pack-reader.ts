import { DedupError } from "./error.js";
import { orReason } from "./retry.js";
import { parseTable, type Row, tableBytes } from "./wire.js";

/** A chunk of a pack as it came. */
export interface Received {
  /** Its place in the pack, from 0. */
  readonly index: number;
  readonly row: Row;
  /** The chunk, encoded; none of it if the server does not have it. Short ones share a buffer. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Yields the chunks of the pack in `pieces`, whose table must be that of `expected`: these digests, these
 * lengths or 0, encoded forms that are not longer.
 *
 * Throws a {@link DedupError}: `protocol_error`, or a retryable `network_error` when the pack ends early; or
 * the signal's reason.
 */
export async function* readPack(
  pieces: AsyncIterable<Uint8Array>,
  expected: readonly { readonly digest: Uint8Array; readonly length: number }[],
  signal: AbortSignal,
): AsyncGenerator<Received, void, undefined> {
  const reader = new ByteReader(pieces, signal);
  try {
    const rows = parseTable(await reader.take(tableBytes(expected.length)), expected.length);
    rows.forEach(({ digest, length, encodedLength }, index) => {
      const { digest: asked, length: right } = expected[index] as (typeof expected)[number];
      const absent = length === 0 && encodedLength === 0;
      const present = length === right && encodedLength > 0 && encodedLength <= length;
      if (!(absent || present) || digest.some((byte, at) => byte !== asked[at])) {
        const message = `the server's answer has another chunk ${index} than the one asked for`;
        throw new DedupError("protocol_error", message);
      }
    });
    for (const [index, row] of rows.entries()) {
      yield { index, row, bytes: await reader.take(row.encodedLength) };
    }
  } finally {
    reader.end();
  }
}

/** Bytes that are allocated at once, */
const SLAB = 1024 * 1024;
/** for chunks up to this length: a buffer for each would be work for the collector. */
const SHORT = 64 * 1024;

/** Takes bytes from pieces of any length. */
class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  #piece: Uint8Array = new Uint8Array(0);
  #slab: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.#room(length);
    for (let at = 0; at < length; ) {
      if (this.#piece.length === 0) {
        const { done, value } = await orReason(this.#pieces.next(), this.#signal);
        if (done) {
          throw new DedupError("network_error", "the answer was cut short", { retryable: true });
        }
        this.#piece = value;
      }
      const part = this.#piece.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
    return bytes;
  }

  /** Ends the request; not awaited, as it has no one left to tell of an error. */
  end(): void {
    this.#pieces.return?.().catch(() => {});
  }

  #room(length: number): Uint8Array<ArrayBuffer> {
    if (length > SHORT) return new Uint8Array(length);
    if (length > this.#slab.length) this.#slab = new Uint8Array(SLAB);
    const room = this.#slab.subarray(0, length);
    this.#slab = this.#slab.subarray(length);
    return room;
  }
}
