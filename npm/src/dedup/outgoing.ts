import type { ByteArray } from "../bytes.js";

/** Verified bytes of a file, on their way to the consumer. */
export interface Portion {
  readonly bytes: ByteArray;
  /** How many of these bytes were not fetched. */
  readonly reused: number;
  /** Number of chunks that end in these bytes. */
  readonly chunks: number;
}

/** Portions shorter than this are gathered, in bytes. Without TLS, most pieces of a socket in Node are longer. */
const SHORT = 64 * 1024;
/** Limit for gathered bytes. */
const MOST_GATHERED = 128 * 1024;

/**
 * Hands on consecutive portions, each in a buffer of its own, because the consumer may transfer it. To avoid
 * copies, it waits until all of a buffer is verified, and hands on the buffer itself. Short portions are copied
 * together.
 */
export class Outgoing {
  /** The first part of a buffer whose rest may follow. */
  #begun: Portion | undefined;
  readonly #gathered = new Gathered();

  get isEmpty(): boolean {
    return this.#begun === undefined && this.#gathered.length === 0;
  }

  *add(portion: Portion): Generator<Portion, void, undefined> {
    let begun = this.#begun;
    if (begun !== undefined && continues(begun.bytes, portion.bytes)) {
      begun = merged(begun, portion);
    } else {
      yield* this.#handOnBegun();
      begun = portion;
    }
    this.#begun = begun;
    const { bytes } = begun;
    const mayBeWhole = bytes.byteOffset === 0 && bytes.length < bytes.buffer.byteLength;
    if (!mayBeWhole) yield* this.#handOnBegun();
  }

  *rest(): Generator<Portion, void, undefined> {
    yield* this.#handOnBegun();
    yield* this.#gathered.take();
  }

  *#handOnBegun(): Generator<Portion, void, undefined> {
    const begun = this.#begun;
    if (begun === undefined) return;
    this.#begun = undefined;
    const gathered = this.#gathered;
    if (!gathered.fits(begun)) yield* gathered.take();
    if (gathered.fits(begun)) gathered.add(begun);
    else yield { ...begun, bytes: ownBuffer(begun.bytes) };
  }
}

/** Copies of short portions. */
class Gathered {
  #bytes = new Uint8Array(0);
  length = 0;
  #reused = 0;
  #chunks = 0;

  fits({ bytes: { length } }: Portion): boolean {
    return length < SHORT && this.length + length <= MOST_GATHERED;
  }

  add({ bytes, reused, chunks }: Portion): void {
    if (this.length === 0) this.#bytes = new Uint8Array(MOST_GATHERED);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    this.#reused += reused;
    this.#chunks += chunks;
  }

  *take(): Generator<Portion, void, undefined> {
    if (this.length === 0) return;
    const bytes = this.#bytes.subarray(0, this.length);
    const [reused, chunks] = [this.#reused, this.#chunks];
    this.length = 0;
    this.#reused = 0;
    this.#chunks = 0;
    yield { bytes, reused, chunks };
  }
}

function continues(before: ByteArray, after: ByteArray): boolean {
  return before.buffer === after.buffer && endOf(before) === after.byteOffset;
}

function endOf({ byteOffset, length }: ByteArray): number {
  return byteOffset + length;
}

function merged(first: Portion, second: Portion): Portion {
  const { buffer, byteOffset, length } = first.bytes;
  return {
    bytes: new Uint8Array(buffer, byteOffset, length + second.bytes.length),
    reused: first.reused + second.reused,
    chunks: first.chunks + second.chunks,
  };
}

/** Returns `bytes`, or a copy if they share their buffer. */
function ownBuffer(bytes: ByteArray): ByteArray {
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}
