// Shared by functions and streams. Public declarations must not name the module's types, which need
// TypeScript libraries that not every user has.

import type { ByteArray } from "../bytes.js";
import { calling } from "../errors.js";
import type { Codec } from "../types.js";
import type { Decompressor } from "./glue.js";
import { core } from "./load.js";
import type { DecompressOptions } from "./options.js";

/** Data goes into the module in slices: its memory never shrinks, and so stays small. */
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

/** The module returns copies in their own buffers, though its types do not say so. */
export function owned(bytes: Uint8Array): ByteArray {
  return bytes as ByteArray;
}
