import { type ByteArray, toHex } from "./bytes.js";

/** A chunk of an input: its digest and position. */
export class Chunk {
  /** The chunk's digest, 32 bytes. */
  readonly hash: ByteArray;
  /** Offset in the input, in bytes. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;

  constructor(hash: ByteArray, offset: number, length: number) {
    this.hash = hash;
    this.offset = offset;
    this.length = length;
  }

  /** The digest as 64 lowercase hexadecimal digits. */
  get hashHex(): string {
    return toHex(this.hash);
  }

  toJSON(): { hash: string; offset: number; length: number } {
    return { hash: this.hashHex, offset: this.offset, length: this.length };
  }
}

// A record of the module (`wasm/src/chunking/record.rs`): digest, offset and length of a chunk.
const DIGEST = 32;
const RECORD = DIGEST + 8 + 8;

export function unpackChunks(records: Uint8Array): Chunk[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 0; at < records.length; at += RECORD) {
    const hash = new Uint8Array(records.subarray(at, at + DIGEST));
    const offset = view.getFloat64(at + DIGEST, true);
    chunks.push(new Chunk(hash, offset, view.getFloat64(at + DIGEST + 8, true)));
  }
  return chunks;
}

/** Returns the lengths of the chunks in `records`. */
export function lengthsOf(records: Uint8Array): number[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  return Array.from({ length: records.length / RECORD }, (_, index) =>
    view.getFloat64(RECORD * index + DIGEST + 8, true),
  );
}

export function setDigest(records: Uint8Array, index: number, digest: Uint8Array): void {
  records.set(digest, RECORD * index);
}

/** Every hash in `chunks` must be 32 bytes long. */
export function packChunks(chunks: readonly Chunk[]): Uint8Array {
  const records = new Uint8Array(RECORD * chunks.length);
  const view = new DataView(records.buffer);
  chunks.forEach(({ hash, offset, length }, index) => {
    const at = RECORD * index;
    records.set(hash, at);
    view.setFloat64(at + DIGEST, offset, true);
    view.setFloat64(at + DIGEST + 8, length, true);
  });
  return records;
}

export function isDigest(hash: Uint8Array): boolean {
  return hash.length === DIGEST;
}
