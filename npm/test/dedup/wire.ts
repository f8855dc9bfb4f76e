// Packs of `docs/protocol.md`, written a second time: for tests of servers.

import type { HashAlgorithm } from "chunker-cdc";
import { digestHex } from "./support.js";

export interface PackChunk {
  readonly hash: HashAlgorithm;
  readonly bytes: Uint8Array;
  /** As zstd. */
  readonly encoded?: Uint8Array;
}

export function packOf(chunks: readonly PackChunk[]): Uint8Array<ArrayBuffer> {
  const table = Buffer.alloc(8 + 40 * chunks.length);
  table.write("CPK1");
  table.writeUInt32LE(chunks.length, 4);
  for (const [index, { hash, bytes, encoded = bytes }] of chunks.entries()) {
    const at = 8 + 40 * index;
    table.write(digestHex(hash, bytes), at, "hex");
    table.writeUInt32LE(bytes.length, at + 32);
    table.writeUInt32LE(encoded.length, at + 36);
  }
  const bodies = chunks.map(({ bytes, encoded = bytes }) => encoded);
  return new Uint8Array(Buffer.concat([table, ...bodies]));
}
