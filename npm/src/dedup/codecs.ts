// The codecs of transfers that compress. An entry file sets their location; the first compressed chunk loads
// them.

import type { compressAdaptive, decompress } from "../codecs/index.js";
import { ChunkerError } from "../index.js";

/** The functions of `chunker-cdc/codecs` that a transfer needs. */
export interface Codecs {
  readonly decompress: typeof decompress;
  readonly compressAdaptive: typeof compressAdaptive;
}

let source: (() => Promise<Codecs>) | undefined;

/** Sets how {@link loadCodecs} imports them. The first call wins. */
export function setCodecs(from: () => Promise<Codecs>): void {
  source ??= from;
}

/** @throws {ChunkerError} `not_ready` if they cannot be imported; `cause` says why. */
export async function loadCodecs(): Promise<Codecs> {
  try {
    if (source === undefined) throw new Error("no entry file of the package was imported");
    return await source();
  } catch (cause) {
    throw new ChunkerError("not_ready", "the codecs could not be loaded", { cause });
  }
}
