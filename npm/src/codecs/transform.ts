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

/** What the module offers for both directions. */
interface Stream {
  push(piece: Uint8Array): void;
  finish(): void;
  /** The next bytes, or `undefined` when a piece is needed or the end is reached. */
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
 * With a dictionary, which is for small inputs, it keeps the whole input and compresses at its end.
 *
 * Wrong options make the stream fail as {@link compress} does; unknown ones throw at once.
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
 * Decompresses a stream of bytes within the limits of {@link decompress}. Keeps one piece of the
 * input, one block of the output and the codec's window, also when a small piece has a large content:
 * decompresses only what is read.
 *
 * ```ts
 * const content = response.body.pipeThrough(new DecompressTransform("zstd", { maxOutput: 2 ** 32 }));
 * ```
 *
 * Its errors are those of {@link decompress}; unknown options throw at once.
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
 * Connects both ends by a stream of the module. A write is done when all that its piece gave has been
 * read: a `TransformStream` would keep as much as one piece expands to.
 */
function transformed(
  start: () => Stream,
  count: (bytesIn: number, bytesOut: number) => void,
): TransformStream<Bytes, ByteArray> {
  let stream: Stream | undefined;
  let output: ReadableStreamDefaultController<ByteArray>;
  let input: WritableStreamDefaultController;
  /** Called when the consumer wants more, or is gone. */
  let wanted: (() => void) | undefined;

  const release = () => {
    stream?.free();
    stream = undefined;
    wanted?.();
  };
  /** Does a part of the work; when it fails, both ends do. */
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
      // Sooner than the sink is told: that waits for the end of a write.
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
