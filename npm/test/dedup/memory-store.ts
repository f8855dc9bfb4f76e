// A store in memory that does what `docs/protocol.md` says of a server.

import { type HashAlgorithm, Hasher, Manifest, toHex } from "chunker-cdc";
import { decompress } from "chunker-cdc/codecs";
import { DedupError, type Limits, type StoredFile } from "chunker-cdc/dedup";

const ROW = 40;

export function digestHex(hash: HashAlgorithm, bytes: Uint8Array): string {
  return toHex(new Hasher(hash).update(bytes).finalize());
}

/** A refusal of a server. */
export function refused(
  status: number,
  code: string,
  more: { missing?: string[]; count?: number } = {},
) {
  return new DedupError(code, `refused: ${code}`, { status, ...more });
}

export class MemoryStore {
  /** By algorithm and digest: `sha256-…`. */
  readonly chunks = new Map<string, Uint8Array>();
  readonly manifests = new Map<string, Uint8Array>();
  /** The digest of each chunk sent, in the order of sending, with repetitions. */
  readonly sent: string[] = [];
  /** Bytes of each pack sent, its table included. */
  readonly packs: number[] = [];
  /** The digest of each chunk read, with repetitions. */
  readonly read: string[] = [];
  limits: Limits = {
    packBytes: 33_554_432,
    packChunks: 16_384,
    missingDigests: 65_536,
    readDigests: 65_536,
  };

  missing(hash: HashAlgorithm, digests: Uint8Array): Uint8Array {
    const names = this.#names(hash, digests, this.limits.missingDigests);
    const bitmap = new Uint8Array(Math.ceil(names.length / 8));
    names.forEach((name, index) => {
      if (!this.chunks.has(name))
        bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
    });
    return bitmap;
  }

  /** Takes all of a pack, or throws and takes nothing. */
  async putPack(
    hash: HashAlgorithm,
    pack: Uint8Array,
  ): Promise<{ chunks: number; length: number }> {
    const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength);
    const count = view.getUint32(4, true);
    if (Buffer.from(pack.subarray(0, 4)).toString() !== "CPK1") throw refused(400, "invalid_pack");
    if (pack.length > this.limits.packBytes) throw refused(413, "pack_too_large");
    if (count < 1 || count > this.limits.packChunks) throw refused(413, "too_many_chunks");
    const taken = new Map<string, Uint8Array>();
    let at = 8 + ROW * count;
    let total = 0;
    for (let index = 0; index < count; index += 1) {
      const row = 8 + ROW * index;
      const digest = toHex(pack.subarray(row, row + 32));
      const length = view.getUint32(row + 32, true);
      const encoded = pack.slice(at, at + view.getUint32(row + 36, true));
      at += view.getUint32(row + 36, true);
      if (encoded.length > length || length === 0) throw refused(400, "invalid_pack");
      const payload =
        encoded.length === length
          ? encoded
          : await decompress("zstd", encoded, { maxOutput: length });
      if (digestHex(hash, payload) !== digest) throw refused(400, "chunk_digest_mismatch");
      if (taken.has(`${hash}-${digest}`)) throw refused(400, "duplicate_digest");
      taken.set(`${hash}-${digest}`, payload);
      total += length;
    }
    if (at !== pack.length) throw refused(400, "invalid_pack");
    for (const [name, payload] of taken) {
      this.chunks.set(name, payload);
      this.sent.push(name.slice(hash.length + 1));
    }
    this.packs.push(pack.length);
    return { chunks: count, length: total };
  }

  /** Returns a pack with these chunks; of those that are not here, nothing. */
  readChunks(hash: HashAlgorithm, digests: Uint8Array): Uint8Array {
    if (digests.length === 0) return Buffer.from("CPK1\0\0\0\0");
    const names = this.#names(hash, digests, this.limits.readDigests);
    if (new Set(names).size < names.length) throw refused(400, "duplicate_digest");
    this.read.push(...names.map((name) => name.slice(hash.length + 1)));
    const found = names.map((name) => this.chunks.get(name) ?? new Uint8Array(0));
    const table = new Uint8Array(8 + ROW * names.length);
    const view = new DataView(table.buffer);
    table.set(Buffer.from("CPK1"));
    view.setUint32(4, names.length, true);
    found.forEach(({ length }, index) => {
      const row = 8 + ROW * index;
      table.set(digests.subarray(32 * index, 32 * (index + 1)), row);
      view.setUint32(row + 32, length, true);
      view.setUint32(row + 36, length, true);
    });
    return Buffer.concat([table, ...found]);
  }

  putManifest(root: string, bytes: Uint8Array): void {
    using manifest = Manifest.parse(bytes);
    const { hash } = manifest;
    if (`${hash}-${manifest.rootDigestHex}` !== root)
      throw refused(400, "manifest_digest_mismatch");
    const missing = new Set<string>();
    for (const { hashHex } of manifest.chunks) {
      if (!this.chunks.has(`${hash}-${hashHex}`)) missing.add(hashHex);
    }
    if (missing.size > 0) {
      const { size: count } = missing;
      throw refused(409, "chunks_missing", { count, missing: [...missing].slice(0, 10_000) });
    }
    this.manifests.set(root, bytes.slice());
  }

  getManifest(root: string): Uint8Array {
    const bytes = this.manifests.get(root);
    if (bytes === undefined) throw refused(404, "root_not_found");
    return bytes;
  }

  /** Returns how a download starts, and the digests of the chunks that follow. */
  download(root: string, start = 0, end = Number.POSITIVE_INFINITY) {
    const bytes = this.getManifest(root);
    const head = Buffer.from("CDL1\0\0\0\0");
    head.writeUInt32LE(bytes.length, 4);
    const digests = new Set<string>();
    try {
      using manifest = Manifest.parse(bytes);
      for (const { hashHex, offset, length } of manifest.chunks) {
        if (start < end && offset < end && offset + length > start) digests.add(hashHex);
      }
    } catch {} // a test has damaged it
    const first = [...digests].slice(0, this.limits.readDigests);
    return { head: Buffer.concat([head, bytes]), digests: Buffer.from(first.join(""), "hex") };
  }

  /** Returns the bytes of a committed file. */
  file(root: string): Buffer {
    using manifest = Manifest.parse(this.getManifest(root));
    const parts = manifest.chunks.map(({ hashHex }) => {
      const bytes = this.chunks.get(`${manifest.hash}-${hashHex}`);
      if (bytes === undefined) throw refused(500, "chunk_damaged");
      return bytes;
    });
    return Buffer.concat(parts);
  }

  listFiles(after = "", limit = 1000): { files: StoredFile[]; next: string | null } {
    const roots = [...this.manifests.keys()].sort().filter((root) => root > after);
    const files = roots.slice(0, limit).map((root) => {
      using manifest = Manifest.parse(this.getManifest(root));
      return { root, length: manifest.totalLength, committed: "2026-11-28T05:51:23Z" };
    });
    return { files, next: roots.length > limit ? (files.at(-1)?.root ?? null) : null };
  }

  deleteFile(root: string): void {
    if (!this.manifests.delete(root)) throw refused(404, "root_not_found");
  }

  usage() {
    let bytes = 0;
    for (const { length } of this.chunks.values()) bytes += length;
    const { manifests, packs, chunks } = this;
    return {
      files: manifests.size,
      packs: packs.length,
      doomedPacks: 0,
      chunks: chunks.size,
      bytes,
    };
  }

  #names(hash: HashAlgorithm, digests: Uint8Array, most: number): string[] {
    if (digests.length === 0 || digests.length % 32 !== 0) throw refused(400, "invalid_length");
    if (digests.length / 32 > most) throw refused(413, "too_many_digests");
    return Array.from(
      { length: digests.length / 32 },
      (_, index) => `${hash}-${toHex(digests.subarray(32 * index, 32 * (index + 1)))}`,
    );
  }
}
