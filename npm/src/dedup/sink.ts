/** A place for the bytes of a file, written in any order. */
export interface Sink {
  /** Writes `bytes`, which may change as soon as it has resolved. */
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** All is written, `length` bytes. */
  close(length: number): Promise<void>;
  /** It will not be whole. */
  abort(reason: unknown): Promise<void>;
}

/** What can be written at any place: a `FileSystemWritableFileStream`. */
export interface SeekableStream extends WritableStream {
  write(data: {
    readonly type: "write";
    readonly position: number;
    readonly data: Uint8Array<ArrayBuffer>;
  }): Promise<void>;
  truncate(size: number): Promise<void>;
}

/** Where a download can be written to. */
export type Destination = string | WritableStream<Uint8Array> | SeekableStream;

/** Whether `destination` can be written at any place. */
export function isSeekable(destination: WritableStream): destination is SeekableStream {
  const { write, truncate } = destination as Partial<SeekableStream>;
  return typeof write === "function" && typeof truncate === "function";
}

/** Returns a sink that writes into `stream` and closes it. */
export function seekableSink(stream: SeekableStream): Sink {
  return {
    write: (position, data) => stream.write({ type: "write", position, data }),
    async close(length) {
      await stream.truncate(length);
      await stream.close();
    },
    abort: (reason) => stream.abort(reason),
  };
}
