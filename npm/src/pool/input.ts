// The bytes of the source, by their position, for the workers.

import { type ByteArray, bytesOf, isBytes } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { type ByteSource, isBlob, pieces } from "../source.js";

/** A source that is being read. */
export interface Input {
  /** Length in bytes; unknown for a stream until it ends. */
  readonly size: number | undefined;
  /** How many bytes from the start are there by now. */
  readonly available: number;
  /** The error that ended the source early. */
  readonly failure: { error: unknown } | undefined;
  /** The blob, if workers read it themselves. */
  readonly blob: Blob | undefined;
  /** Returns 1 to `length` bytes for a worker, in their own buffer. */
  take(at: number, length: number): ByteArray;
  /** Forgets the bytes before `at`. */
  release(at: number): void;
  /** Stops reading and forgets everything. */
  close(): void;
}

/**
 * @param limit Bytes of a stream to keep in memory; one read more may be.
 * @param signal Cancels a stream, even in the middle of a read.
 */
export function inputOf(
  source: ByteSource,
  limit: number,
  signal: AbortSignal,
  onChange: () => void,
): Input {
  if (isBytes(source)) return new MemoryInput(source);
  if (isForWorkers(source)) return new BlobInput(source);
  return new StreamInput(pieces(source, signal), limit, onChange);
}

/**
 * Whether workers can read `source` themselves. They cannot read a file of Node, nor a package's own
 * Blob, whose clone is empty.
 */
export function isForWorkers(source: ByteSource): source is Blob {
  if (!isBlob(source)) return false;
  try {
    return isBlob(structuredClone(source));
  } catch {
    return false;
  }
}

class BlobInput implements Input {
  readonly blob: Blob;
  readonly size: number;
  readonly available: number;
  readonly failure = undefined;

  constructor(blob: Blob) {
    this.blob = blob;
    this.size = blob.size;
    this.available = blob.size;
  }

  take(): never {
    throw new Error("workers read a blob themselves");
  }

  release(): void {}

  close(): void {}
}

class MemoryInput implements Input {
  readonly #data: ArrayBuffer | ArrayBufferView;
  readonly size: number;
  readonly available: number;
  readonly failure = undefined;
  readonly blob = undefined;

  constructor(data: ArrayBuffer | ArrayBufferView) {
    this.#data = data;
    this.size = bytesOf(data).length;
    this.available = this.size;
  }

  take(at: number, length: number): ByteArray {
    const bytes = bytesOf(this.#data);
    if (bytes.length !== this.size) {
      throw invalidArgument("data changed its length while it was being read");
    }
    return bytes.slice(at, at + length);
  }

  release(): void {}

  close(): void {}
}

/** Streams are kept in blocks of this many bytes. */
const BLOCK = 1024 * 1024;

interface Block {
  readonly at: number;
  readonly bytes: ByteArray;
}

class StreamInput implements Input {
  readonly #pieces: AsyncGenerator<ByteArray, void, undefined>;
  readonly #limit: number;
  readonly #onChange: () => void;
  readonly blob = undefined;
  size: number | undefined;
  available = 0;
  failure: { error: unknown } | undefined;
  /** In order, without gaps; all but the last are full. */
  #blocks: Block[] = [];
  #released = 0;
  #onRelease: (() => void) | undefined;
  #closed = false;

  constructor(
    pieces: AsyncGenerator<ByteArray, void, undefined>,
    limit: number,
    onChange: () => void,
  ) {
    this.#pieces = pieces;
    this.#limit = limit;
    this.#onChange = onChange;
    void this.#read();
  }

  take(at: number, length: number): ByteArray {
    const first = this.#blocks[0]?.at ?? 0;
    const block = this.#blocks[Math.floor((at - first) / BLOCK)];
    if (block === undefined) throw new Error(`nothing is held at ${at}`);
    const start = at - block.at;
    return block.bytes.slice(start, Math.min(start + length, this.available - block.at));
  }

  release(at: number): void {
    this.#released = at;
    const kept = this.#blocks.findIndex((block) => block.at + BLOCK > at);
    this.#blocks.splice(0, kept < 0 ? this.#blocks.length : kept);
    if (this.available - at < this.#limit) this.#onRelease?.();
  }

  close(): void {
    this.#closed = true;
    this.#onRelease?.();
    this.#blocks = [];
  }

  async #read(): Promise<void> {
    try {
      for await (const piece of this.#pieces) {
        // Returning cancels the source.
        if (this.#closed) return;
        this.#append(piece);
        this.#onChange();
        if (this.available - this.#released >= this.#limit) await this.#room();
      }
      this.size = this.available;
    } catch (error) {
      this.failure = { error };
    }
    if (!this.#closed) this.#onChange();
  }

  #append(piece: Uint8Array): void {
    for (let rest = piece; rest.length > 0; ) {
      const start = this.available % BLOCK;
      if (start === 0) this.#blocks.push({ at: this.available, bytes: new Uint8Array(BLOCK) });
      const part = rest.subarray(0, BLOCK - start);
      this.#blocks.at(-1)?.bytes.set(part, start);
      this.available += part.length;
      rest = rest.subarray(part.length);
    }
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRelease = () => {
        this.#onRelease = undefined;
        resolve();
      };
    });
  }
}
