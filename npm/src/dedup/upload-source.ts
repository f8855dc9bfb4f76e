// The source of an upload: read once to be cut, and again, in parts, to be sent.

import { type ByteArray, bytesOf, isBytes } from "../bytes.js";
import { isFile, pathOf } from "../file.js";
import { type ByteSource, type Chunk, ChunkerError } from "../index.js";
import { isBlob, lengthOf } from "../source.js";
import { chunkGroups } from "../stream.js";
import { DedupError } from "./error.js";
import { type LocalFile, platform } from "./platform.js";
import { ReadBytes } from "./read-bytes.js";
import type { UploadOptions } from "./upload-options.js";

/**
 * Parts shorter than this, in bytes, have buffers of their own. The length of a buffer for a longer part is a multiple of
 * this, so that other parts fit, too.
 */
const ROOM_STEP = 1024 * 1024;
/** Shorter sources are cut sooner than a worker starts. */
const MIN_BYTES_FOR_POOL = 4 * 1024 * 1024;

export class UploadSource {
  readonly #source: ByteSource;
  /** Whether parts of a `Blob` can be sent without being read first. */
  readonly #isSliced: boolean;
  /** The source, if it is a file given by its path. */
  #file: LocalFile | undefined;
  /** What was read from a source that cannot be read again. */
  #readBytes: ReadBytes | undefined;
  /** Buffers for parts of the file: new ones for each part would keep the garbage collector busy. */
  readonly #spares: ByteArray[] = [];
  /** Those in use. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  constructor(source: ByteSource, takesBlobs: boolean) {
    this.#source = source;
    this.#isSliced = isBlob(source) && takesBlobs;
  }

  /** Opens a file given by its path. */
  async open(signal: AbortSignal): Promise<void> {
    const { readAgain } = platform();
    if (!isFile(this.#source) || readAgain === undefined) return;
    const file = await readAgain(pathOf(this.#source));
    if (signal.aborted) await file?.close();
    else this.#file = file;
  }

  /** Its length in bytes, if that is known before it is read; that of a file when it was opened. */
  get length(): number | undefined {
    return lengthOf(this.#source) ?? this.#file?.size;
  }

  /** Reads and cuts the source, once; yields the chunks in groups. */
  chunks(
    profile: string,
    pool: UploadOptions["pool"],
    signal: AbortSignal,
  ): AsyncGenerator<Iterable<Chunk>, void, undefined> {
    const source = this.#source;
    const isLong = (lengthOf(source) ?? 0) >= MIN_BYTES_FOR_POOL;
    if (pool !== undefined && isLong) return singly(pool.chunks(source, { profile, signal }));
    if (isBytes(source) || this.#isSliced || this.#file !== undefined) {
      return chunkGroups(source, { profile, signal });
    }
    this.#readBytes = new ReadBytes();
    return chunkGroups(this.#readBytes.keeping(source, signal), { profile, signal });
  }

  /** Whether the bytes of chunks are kept until they are {@link take taken}. */
  get keepsBytes(): boolean {
    return this.#readBytes !== undefined;
  }

  /** Returns the bytes of the next chunk of this length, if they are kept. */
  take(length: number): readonly ByteArray[] | undefined {
    return this.#readBytes?.take(length);
  }

  /** Whether {@link read} works. */
  get isRereadable(): boolean {
    return isBlob(this.#source) || isBytes(this.#source) || this.#file !== undefined;
  }

  /**
   * Returns the bytes of a part, or a slice that is read when it is sent. Once it is sent, {@link takeBack} may have
   * the bytes.
   */
  async part(start: number, end: number): Promise<ByteArray | Blob> {
    if (this.#isSliced) return (this.#source as Blob).slice(start, end);
    return this.read(start, end, this.#file && this.#roomFor(end - start));
  }

  /** Reads a part again; the server refuses it if it has changed. */
  async read(start: number, end: number, room?: ByteArray): Promise<ByteArray> {
    const source = this.#source;
    if (isBytes(source)) return bytesOf(source).subarray(start, end);
    const bytes = await this.whileReading(this.#readAt(start, end, room));
    if (bytes.length !== Math.min(end, lengthOf(source) ?? end) - start) {
      throw sourceChanged(`has become shorter than ${end} bytes`);
    }
    return bytes;
  }

  async #readAt(start: number, end: number, room: ByteArray | undefined): Promise<ByteArray> {
    const file = this.#file;
    if (file !== undefined) return file.read(start, end - start, room);
    return new Uint8Array(await (this.#source as Blob).slice(start, end).arrayBuffer());
  }

  #roomFor(length: number): ByteArray | undefined {
    if (length < ROOM_STEP) return undefined;
    let room = this.#spares.pop();
    // Packs grow; shorter buffers will not be needed again.
    while (room !== undefined && room.length < length) room = this.#spares.pop();
    room ??= new Uint8Array(Math.ceil(length / ROOM_STEP) * ROOM_STEP);
    this.#lent.add(room.buffer);
    return room;
  }

  /** Takes back the buffers of parts, which are overwritten soon, and ignores all others. */
  takeBack(parts: readonly (ByteArray | Blob)[]): void {
    for (const part of parts) {
      if (isBytes(part) && this.#lent.delete(part.buffer)) {
        this.#spares.push(new Uint8Array(part.buffer));
      }
    }
  }

  /** Fails if a file was changed after it was chosen: browsers compare the dates only when they open it. */
  async check(): Promise<void> {
    if (isBlob(this.#source)) await this.read(0, 1);
  }

  /**
   * Settles as `reading` does, but with one error for everything that browsers report if a file changed or is gone:
   * `NotReadableError`, `NotFoundError` or "network error". Errors of other sources pass through.
   */
  async whileReading<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      const isOurs = isBlob(this.#source) || this.#file !== undefined;
      if (!isOurs || error instanceof ChunkerError) throw error;
      throw new DedupError(
        "source_unreadable",
        "the source can no longer be read: it was changed, moved or removed",
        { cause: error },
      );
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

/** Yields groups of one chunk. */
async function* singly(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk[], void, undefined> {
  for await (const chunk of chunks) yield [chunk];
}

/** Returns the error of a source that is not what was read from it. */
export function sourceChanged(how: string, cause?: unknown): DedupError {
  const message = `the source ${how}: it was changed while it was read`;
  return new DedupError("source_changed", message, cause === undefined ? {} : { cause });
}
