// Chunks as the module and the addon take and return them, many at a time: a digest of 32 bytes, then the offset
// and the length in bytes as little-endian 64-bit floats (`wasm/src/chunking/record.rs`).

import type { ByteArray } from "./bytes.js";
import { Chunk } from "./chunk.js";

const DIGEST = 32;
const OFFSET = DIGEST;
const LENGTH = DIGEST + 8;
const RECORD = DIGEST + 8 + 8;

/** A growing list of records. */
export class ChunkRecords {
  #bytes: ByteArray;
  #view: DataView;
  #count = 0;

  /** @param capacity Chunks to have room for. */
  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(RECORD * capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get count(): number {
    return this.#count;
  }

  /** The records; valid until the next is added. */
  get bytes(): ByteArray {
    return this.#bytes.subarray(0, RECORD * this.#count);
  }

  /** Appends a chunk; its digest must be 32 bytes long. */
  add(digest: Uint8Array, offset: number, length: number): void {
    const at = RECORD * this.#count;
    if (at === this.#bytes.length) this.#grow();
    this.#bytes.set(digest, at);
    this.#view.setFloat64(at + OFFSET, offset, true);
    this.#view.setFloat64(at + LENGTH, length, true);
    this.#count += 1;
  }

  #grow(): void {
    const larger = new Uint8Array(Math.max(RECORD, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** Returns a view of a digest; valid until the next chunk is added. */
  digest(index: number): ByteArray {
    return this.#bytes.subarray(RECORD * index, RECORD * index + DIGEST);
  }

  offset(index: number): number {
    return this.#view.getFloat64(RECORD * index + OFFSET, true);
  }

  length(index: number): number {
    return this.#view.getFloat64(RECORD * index + LENGTH, true);
  }
}

export function packChunks(chunks: readonly Chunk[]): ByteArray {
  const records = new ChunkRecords(chunks.length);
  for (const { hash, offset, length } of chunks) records.add(hash, offset, length);
  return records.bytes;
}

export function unpackChunks(records: Uint8Array): Chunk[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 0; at < records.length; at += RECORD) {
    const digest = records.slice(at, at + DIGEST);
    const offset = view.getFloat64(at + OFFSET, true);
    chunks.push(new Chunk(digest, offset, view.getFloat64(at + LENGTH, true)));
  }
  return chunks;
}

/** Returns the lengths of the chunks in `records`. */
export function lengthsOf(records: Uint8Array): number[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  return Array.from({ length: records.length / RECORD }, (_, index) =>
    view.getFloat64(RECORD * index + LENGTH, true),
  );
}

export function setDigest(records: Uint8Array, index: number, digest: Uint8Array): void {
  records.set(digest, RECORD * index);
}

export function isDigest(hash: Uint8Array): boolean {
  return hash.length === DIGEST;
}
