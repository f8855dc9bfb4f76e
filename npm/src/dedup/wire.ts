// The bytes on the wire; `docs/protocol.md` specifies them.

import { type ByteArray, kindOf } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { fromHex, type HashAlgorithm, toHex } from "../index.js";
import { DedupError } from "./error.js";

/** The limits of one request to a server. */
export interface Limits {
  /** Bytes of a pack, its table included. */
  readonly packBytes: number;
  /** Chunks of a pack. */
  readonly packChunks: number;
  /** Digests of a question. */
  readonly missingDigests: number;
  /** Digests of a request to read chunks. */
  readonly readDigests: number;
}

/** Limits that every server accepts from a client that does not know its own yet. */
export const FIRST_LIMITS: Limits = {
  packBytes: 4 * 1024 * 1024,
  packChunks: 1024,
  missingDigests: 1024,
  readDigests: 1024,
};

export const DIGEST_BYTES = 32;
/** `CPK1`: a pack. */
const PACK = 0x314b5043;
/** `CDL1`: a download. */
const DOWNLOAD = 0x314c4443;
/** Bytes before a pack's table, and before the manifest of a download. */
export const HEAD_BYTES = 8;
/** Bytes of a row in a pack's table. */
export const ROW_BYTES = DIGEST_BYTES + 4 + 4;

/** A row of a pack's table: the chunk's digest, its length, and that of its encoded form. */
export interface Row {
  readonly digest: Uint8Array;
  readonly length: number;
  readonly encodedLength: number;
}

/** The bytes of the table of a pack with `count` chunks. */
export function tableBytes(count: number): number {
  return HEAD_BYTES + ROW_BYTES * count;
}

/** Returns the start of a pack: everything but the chunks. */
export function packTable(rows: readonly Row[]): ByteArray {
  const table = new Uint8Array(tableBytes(rows.length));
  const view = new DataView(table.buffer);
  view.setUint32(0, PACK, true);
  view.setUint32(4, rows.length, true);
  rows.forEach(({ digest, length, encodedLength }, index) => {
    const at = HEAD_BYTES + ROW_BYTES * index;
    table.set(digest, at);
    view.setUint32(at + DIGEST_BYTES, length, true);
    view.setUint32(at + DIGEST_BYTES + 4, encodedLength, true);
  });
  return table;
}

/** Returns the number of chunks of the pack that starts with `head`. */
export function parsePackHead(head: Uint8Array): number {
  return lengthIn(head, PACK, "a pack");
}

/** Returns the length of the manifest in the download that starts with `head`. */
export function parseDownloadHead(head: Uint8Array): number {
  return lengthIn(head, DOWNLOAD, "a manifest and its chunks");
}

function lengthIn(head: Uint8Array, magic: number, what: string): number {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint32(0, true) === magic) return view.getUint32(4, true);
  throw new DedupError("protocol_error", `the server's answer is not ${what}`);
}

/** Returns the rows of a table. */
export function parseRows(table: Uint8Array): Row[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  return Array.from({ length: table.length / ROW_BYTES }, (_, index) => {
    const at = ROW_BYTES * index;
    return {
      digest: table.subarray(at, at + DIGEST_BYTES),
      length: view.getUint32(at + DIGEST_BYTES, true),
      encodedLength: view.getUint32(at + DIGEST_BYTES + 4, true),
    };
  });
}

/** Whether bit `index` of the answer to a question is set: the chunk is missing. */
export function isMissing(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

/** Returns the limits in `value`, or `undefined` if they are invalid. */
export function parseLimits(value: unknown): Limits | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const limits = value as Limits;
  const { packBytes, packChunks, missingDigests, readDigests } = limits;
  const all = [packBytes, packChunks, missingDigests, readDigests];
  if (!all.every((limit) => Number.isSafeInteger(limit) && limit > 0)) return undefined;
  return { packBytes, packChunks, missingDigests, readDigests };
}

const ROOT = /^(sha256|blake3)-([0-9a-f]{64})$/;

/** The name of a file, taken apart. */
export interface Root {
  readonly hash: HashAlgorithm;
  readonly digest: Uint8Array;
}

/** Returns the name of the file whose manifest has this digest. */
export function rootOf({ hash, digest }: Root): string {
  return `${hash}-${toHex(digest)}`;
}

/** @throws {ChunkerError} `invalid_argument` if `text` is not a file's name. */
export function checkedRoot(text: unknown): Root {
  const root = parseRoot(text);
  if (root !== undefined) return root;
  const given = typeof text === "string" ? JSON.stringify(text) : kindOf(text);
  throw invalidArgument(
    `root is ${given} (expected sha256- or blake3-, then 64 lowercase hexadecimal digits)`,
  );
}

/** Returns the parts of a file's name, or `undefined` if `text` is not one. */
export function parseRoot(text: unknown): Root | undefined {
  const [, hash, digest] = (typeof text === "string" && ROOT.exec(text)) || [];
  if (hash === undefined || digest === undefined) return undefined;
  return { hash: hash as HashAlgorithm, digest: fromHex(digest) };
}
