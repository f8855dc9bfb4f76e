import type { ByteArray } from "../bytes.js";

const PIECE = 1024 * 1024;

/** Yields the bytes of a blob: a stream would have all of it in memory as its first piece. */
export async function* slices(blob: Blob): AsyncGenerator<ByteArray, void, undefined> {
  for (let at = 0; at < blob.size; at += PIECE) {
    yield new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer());
  }
}
