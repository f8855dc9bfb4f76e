// What functions and streams share. No public declaration may name the types of the module, which
// need libraries that not every user has.

import type { ByteArray } from "../bytes.js";
import { calling } from "../errors.js";
import type { Codec } from "../types.js";
import type { Decompressor } from "./glue.js";
import { core } from "./load.js";
import type { DecompressOptions } from "./options.js";

/** Data go into the module in slices, so that its memory, which never shrinks, stays small. */
const SLICE = 1024 * 1024;

/** @throws {ChunkerError} `not_ready` or `invalid_argument`. */
export function decompressor(codec: Codec, options: Partial<DecompressOptions>): Decompressor {
  const { maxOutput, maxWindowLog, maxMemory, dictionary } = options;
  const { Decompressor } = core();
  return calling(() => new Decompressor(codec, maxOutput, maxWindowLog, maxMemory, dictionary));
}

export function* slicesOf(data: ByteArray): Generator<ByteArray, void> {
  for (let start = 0; start < data.length; start += SLICE)
    yield data.subarray(start, start + SLICE);
}

/** The module returns copies in buffers of their own, and says less in its types. */
export function owned(bytes: Uint8Array): ByteArray {
  return bytes as ByteArray;
}
