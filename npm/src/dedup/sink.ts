import { type ByteArray, whole } from "../bytes.js";

/** A place for the bytes of a file, written in any order. */
export interface Sink {
  /** Writes `pieces` one after another; they may change once this has resolved. */
  write(offset: number, pieces: readonly ByteArray[]): Promise<void>;
  /** Finishes the file, once all `length` bytes are written. */
  close(length: number): Promise<void>;
  /** Abandons the file. */
  abort(reason: unknown): Promise<void>;
}

/** A stream that can be written at any offset: a `FileSystemWritableFileStream`. */
export interface SeekableStream extends WritableStream {
  write(data: {
    readonly type: "write";
    readonly position: number;
    readonly data: ByteArray;
  }): Promise<void>;
  truncate(size: number): Promise<void>;
}

/** Where a download can be written. */
export type Destination = string | WritableStream<Uint8Array> | SeekableStream;

/** Whether `destination` can be written at any offset. */
export function isSeekable(destination: WritableStream): destination is SeekableStream {
  const { write, truncate } = destination as Partial<SeekableStream>;
  return typeof write === "function" && typeof truncate === "function";
}

/** Returns a sink that writes into `stream` and closes it. */
export function seekableSink(stream: SeekableStream): Sink {
  return {
    write: (position, pieces) => stream.write({ type: "write", position, data: whole(pieces) }),
    async close(length) {
      await stream.truncate(length);
      await stream.close();
    },
    abort: (reason) => stream.abort(reason),
  };
}
