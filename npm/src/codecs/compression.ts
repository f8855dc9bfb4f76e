import { type ByteArray, type Bytes, bytesOf, joined, kindOf } from "../bytes.js";
import { ChunkerError, calling, failureOf, invalidArgument } from "../errors.js";
import { countCodec } from "../metrics.js";
import { checkedOptions } from "../options.js";
import type { Codec } from "../types.js";
import { decompressor, owned, slicesOf } from "./decompressor.js";
import { core } from "./load.js";
import {
  type CompressOptions,
  checkedCompressOptions,
  checkedDecompressOptions,
  type DecompressOptions,
  LEVEL_KEYS,
  type LevelOptions,
} from "./options.js";
import { ready } from "./ready.js";

/** Longer than any magic number. */
const HEAD = 16;

/**
 * Returns `data` compressed.
 *
 * @throws {ChunkerError} `invalid_compression_level` or `invalid_argument`.
 */
export async function compress(
  codec: Codec,
  data: Bytes,
  options?: CompressOptions,
): Promise<ByteArray> {
  const { level, dictionary } = checkedCompressOptions(options);
  await ready();
  const bytes = bytesOf(data);
  const compressed = owned(calling(() => core().compress(codec, bytes, level, dictionary)));
  countCodec("compression", codec, bytes.length, compressed.length);
  return compressed;
}

/**
 * Returns the decompressed content of `data`: of all its frames.
 *
 * @throws {ChunkerError} `truncated_data`, `size_exceeded`, `window_exceeded`, `invalid_argument`, or
 * the codec's: `zstd_decompression_failed` and so on, also for trailing data after the last frame.
 */
export async function decompress(
  codec: Codec,
  data: Bytes,
  options?: DecompressOptions,
): Promise<ByteArray> {
  const checked = checkedDecompressOptions(options);
  await ready();
  return content(codec, bytesOf(data), checked);
}

/**
 * Returns the decompressed content of `data`, and detects the codec from its first bytes.
 *
 * @throws {ChunkerError} `unknown_compression_format`, else as {@link decompress}.
 */
export async function decompressAuto(data: Bytes, options?: DecompressOptions): Promise<ByteArray> {
  const checked = checkedDecompressOptions(options);
  await ready();
  const bytes = bytesOf(data);
  return content(
    calling(() => detected(bytes)),
    bytes,
    checked,
  );
}

/** Returns the codec of `data`, detected from its first bytes, or `undefined`. */
export async function detectCodec(data: Bytes): Promise<Codec | undefined> {
  await ready();
  const bytes = bytesOf(data);
  return calling(() => {
    try {
      return detected(bytes);
    } catch (error) {
      const failure = failureOf(error);
      if (failure instanceof ChunkerError && failure.code === "unknown_compression_format") return;
      throw failure;
    }
  });
}

/** The result of {@link compressAdaptive}. */
export interface Adapted {
  /** Whether `data` is compressed. */
  compressed: boolean;
  /** The bytes to store or send. The caller owns them. */
  data: ByteArray;
}

/**
 * Returns `data` compressed, or unchanged if compression does not pay off: if it looks like a compressed
 * format already, or would not get smaller.
 *
 * @throws {ChunkerError} As {@link compress}.
 */
export async function compressAdaptive(
  codec: Codec,
  data: Bytes,
  options?: LevelOptions,
): Promise<Adapted> {
  const { level } = checkedOptions(options, LEVEL_KEYS);
  await ready();
  const bytes = bytesOf(data);
  const smaller = calling(() => core().compressAdaptive(codec, bytes, level));
  if (smaller === undefined) return { compressed: false, data: bytes.slice() };
  countCodec("compression", codec, bytes.length, smaller.length);
  return { compressed: true, data: owned(smaller) };
}

/**
 * Returns a dictionary of at most `maxSize` bytes for inputs like `samples`. About a hundred samples that
 * total a hundred times `maxSize` make a good one.
 *
 * @throws {ChunkerError} `zstd_compression_failed` if there are too few samples, or `invalid_argument`.
 */
export async function trainDictionary(
  samples: Iterable<Bytes>,
  maxSize: number,
): Promise<ByteArray> {
  if (typeof samples?.[Symbol.iterator] !== "function") {
    throw invalidArgument(`samples are ${kindOf(samples)} (expected an iterable)`);
  }
  await ready();
  const listed = Array.from(samples, (sample, index) => bytesOf(sample, `sample ${index}`));
  return owned(calling(() => core().trainDictionary(listed, maxSize)));
}

function content(codec: Codec, data: ByteArray, options: Partial<DecompressOptions>): ByteArray {
  const handle = decompressor(codec, options);
  try {
    const blocks: Uint8Array[] = [];
    const drain = () => {
      for (let block = handle.read(); block !== undefined; block = handle.read())
        blocks.push(block);
    };
    const whole = calling(() => {
      for (const slice of slicesOf(data)) {
        handle.push(slice);
        drain();
      }
      handle.finish();
      drain();
      const [only] = blocks;
      return only !== undefined && blocks.length === 1 ? owned(only) : joined(blocks);
    });
    countCodec("decompression", codec, data.length, whole.length);
    return whole;
  } finally {
    handle.free();
  }
}

function detected(data: ByteArray): Codec {
  return core().detect(data.subarray(0, HEAD)) as Codec;
}
