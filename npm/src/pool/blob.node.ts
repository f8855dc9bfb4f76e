import type { ByteArray } from "../bytes.js";

const PIECE = 1024 * 1024;

/** Yields the bytes of a blob. (Its stream would load all of it as the first piece.) */
export async function* slices(blob: Blob): AsyncGenerator<ByteArray, void, undefined> {
  for (let at = 0; at < blob.size; at += PIECE) {
    yield new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer());
  }
}
