import { type Bytes, bytesOf } from "../bytes.js";
import { checkedOptions } from "../options.js";

export interface LevelOptions {
  /** From fastest to smallest: zstd -131072 to 22, xz 0 to 9, bzip2 1 to 9; LZ4 only 1. */
  level?: number | undefined;
}

/** Options of {@link compress}. Defaults are those of the codec's own tool. */
export interface CompressOptions extends LevelOptions {
  /** What small, similar inputs have in common, from {@link trainDictionary}; zstd only. */
  dictionary?: Bytes | undefined;
}

/** Limits of {@link decompress} and similar functions. */
export interface DecompressOptions {
  /** Largest output in bytes; more is a `ChunkerError` `size_exceeded`. Default: 1 GiB. */
  maxOutput?: number | undefined;
  /**
   * Base-2 logarithm of the largest window that a zstd frame may ask for, 10 to 30; more is
   * `window_exceeded`. Default: 23, as in RFC 9659.
   */
  maxWindowLog?: number | undefined;
  /** Largest memory in bytes that an .xz stream may need; more is `window_exceeded`. Default: 66 MiB. */
  maxMemory?: number | undefined;
  /** The dictionary that the data was compressed with; zstd only. */
  dictionary?: Bytes | undefined;
}

export const LEVEL_KEYS = ["level"] as const;
const COMPRESS_KEYS = [...LEVEL_KEYS, "dictionary"] as const;
export function checkedCompressOptions(
  options: CompressOptions | undefined,
): Partial<CompressOptions> {
  const { dictionary, level } = checkedOptions(options, COMPRESS_KEYS);
  if (dictionary === undefined) return { level };
  return { level, dictionary: bytesOf(dictionary, "dictionary") };
}

const DECOMPRESS_KEYS = ["maxOutput", "maxWindowLog", "maxMemory", "dictionary"] as const;

export function checkedDecompressOptions(
  options: DecompressOptions | undefined,
): Partial<DecompressOptions> {
  const { dictionary, ...limits } = checkedOptions(options, DECOMPRESS_KEYS);
  if (dictionary === undefined) return limits;
  return { ...limits, dictionary: bytesOf(dictionary, "dictionary") };
}
