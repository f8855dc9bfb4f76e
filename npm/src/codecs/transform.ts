import { type ByteArray, type Bytes, bytesOf } from "../bytes.js";
import { counted, failureOf } from "../errors.js";
import { countCodec } from "../metrics.js";
import type { Codec } from "../types.js";
import { decompressor, owned, slicesOf } from "./decompressor.js";
import { core } from "./load.js";
import {
  type CompressOptions,
  checkedCompressOptions,
  checkedDecompressOptions,
  type DecompressOptions,
} from "./options.js";
import { ready } from "./ready.js";

/** What the module offers in either direction. */
interface Stream {
  push(piece: Uint8Array): void;
  finish(): void;
  /** Returns the next bytes, or `undefined` if it needs a piece or has reached the end. */
  read(): Uint8Array | undefined;
  free(): void;
}

/**
 * Compresses a stream of bytes.
 *
 * ```ts
 * await file.stream().pipeThrough(new CompressTransform("zstd")).pipeTo(destination);
 * ```
 *
 * With a dictionary (meant for small inputs), it keeps the whole input and compresses it at the end.
 *
 * Unknown options throw at once; invalid ones fail the stream with the errors of {@link compress}.
 */
export class CompressTransform implements TransformStream<Bytes, ByteArray> {
  readonly readable: ReadableStream<ByteArray>;
  readonly writable: WritableStream<Bytes>;

  constructor(codec: Codec, options?: CompressOptions) {
    const { level, dictionary } = checkedCompressOptions(options);
    const { readable, writable } = transformed(
      () => new (core().Compressor)(codec, level, dictionary),
      (bytesIn, bytesOut) => countCodec("compression", codec, bytesIn, bytesOut),
    );
    this.readable = readable;
    this.writable = writable;
  }
}

/**
 * Decompresses a stream of bytes within the limits of {@link decompress}. Decompresses only as its output
 * is read, so even if a small piece has large content, it keeps one piece of input, one block of output
 * and the codec's window.
 *
 * ```ts
 * const content = response.body.pipeThrough(new DecompressTransform("zstd", { maxOutput: 2 ** 32 }));
 * ```
 *
 * Unknown options throw at once; other errors are those of {@link decompress}.
 */
export class DecompressTransform implements TransformStream<Bytes, ByteArray> {
  readonly readable: ReadableStream<ByteArray>;
  readonly writable: WritableStream<Bytes>;

  constructor(codec: Codec, options?: DecompressOptions) {
    const checked = checkedDecompressOptions(options);
    const { readable, writable } = transformed(
      () => decompressor(codec, checked),
      (bytesIn, bytesOut) => countCodec("decompression", codec, bytesIn, bytesOut),
    );
    this.readable = readable;
    this.writable = writable;
  }
}

/**
 * Connects both ends through a stream of the module. A write finishes once all output of its piece has
 * been read; a `TransformStream` would keep everything that one piece expands to.
 */
function transformed(
  start: () => Stream,
  count: (bytesIn: number, bytesOut: number) => void,
): TransformStream<Bytes, ByteArray> {
  let stream: Stream | undefined;
  let output: ReadableStreamDefaultController<ByteArray>;
  let input: WritableStreamDefaultController;
  /** Called when the consumer wants more or is gone. */
  let wanted: (() => void) | undefined;

  const release = () => {
    stream?.free();
    stream = undefined;
    wanted?.();
  };
  /** Does one part of the work; if that fails, both ends fail. */
  const working = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      const failure = counted(failureOf(error));
      release();
      output.error(failure);
      throw failure;
    }
  };
  const drain = async () => {
    for (let current = stream; current !== undefined; current = stream) {
      if ((output.desiredSize ?? 0) <= 0) {
        await new Promise<void>((resolve) => {
          wanted = resolve;
        });
        wanted = undefined;
        continue;
      }
      const block = current.read();
      if (block === undefined) return;
      count(0, block.length);
      output.enqueue(owned(block));
    }
  };

  const readable = new ReadableStream<ByteArray>(
    {
      start(controller) {
        output = controller;
      },
      pull() {
        wanted?.();
      },
      cancel(reason) {
        release();
        input.error(reason);
      },
    },
    { highWaterMark: 1 },
  );
  const writable = new WritableStream<Bytes>({
    start: (controller) => {
      input = controller;
      // The sink would hear of it only after the current write.
      controller.signal.addEventListener("abort", () => {
        release();
        output.error(controller.signal.reason);
      });
      return working(async () => {
        await ready();
        stream = start();
      });
    },
    write: (piece) =>
      working(async () => {
        for (const slice of slicesOf(bytesOf(piece, "a piece of the stream"))) {
          if (stream === undefined) return;
          stream.push(slice);
          count(slice.length, 0);
          await drain();
        }
      }),
    close: () =>
      working(async () => {
        stream?.finish();
        await drain();
        if (stream !== undefined) output.close();
        release();
      }),
  });
  return { readable, writable };
}
