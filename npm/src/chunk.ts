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
