import { DedupError } from "./error.js";
import { parseTable, type Row, tableBytes } from "./wire.js";

/** A chunk of a pack as it came. */
export interface Received {
  /** Its place in the pack, from 0. */
  readonly index: number;
  readonly row: Row;
  /** The chunk, encoded; none of it if the server does not have it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Yields the chunks of the pack in `pieces`, whose table must be that of `expected`: these digests, these
 * lengths or 0, encoded forms that are not longer.
 *
 * Throws a {@link DedupError}: `protocol_error`, or a retryable `network_error` when the pack ends early.
 */
export async function* readPack(
  pieces: AsyncIterable<Uint8Array>,
  expected: readonly { readonly digest: Uint8Array; readonly length: number }[],
): AsyncGenerator<Received, void, undefined> {
  const reader = new ByteReader(pieces);
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

/** Takes bytes from pieces of any length. */
class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      if (this.#piece.length === 0) {
        const { done, value } = await this.#pieces.next();
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
}
