// The chunks of an older local file.

import type { ByteArray } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { type ByteSource, chunks, digest as digestOf, type Manifest } from "../index.js";
import { isBlob } from "../source.js";
import { type DigestTable, tableFor } from "./digest-table.js";
import { type LocalFile, platform } from "./platform.js";

/** A local file: a Blob or File, bytes, or in Node a path. */
export type LocalSource = Blob | ArrayBuffer | ArrayBufferView | string;

/** The places of a manifest's chunks in a local file. */
export class LocalChunks {
  readonly #file: LocalFile;
  readonly #hash: Manifest["hash"];
  /** The digests of the manifest. */
  readonly #wanted: DigestTable;
  /** Offsets of the chunks that were found, by their numbers in `#wanted`. */
  readonly #offsets = new Map<number, number>();

  private constructor(file: LocalFile, hash: Manifest["hash"], wanted: DigestTable) {
    this.#file = file;
    this.#hash = hash;
    this.#wanted = wanted;
  }

  /** Chunks `source` with the manifest's profile, and finds the chunks in common. */
  static async find(
    source: LocalSource,
    manifest: Manifest,
    signal: AbortSignal,
  ): Promise<LocalChunks> {
    const wanted = tableFor(manifest.chunks);
    for (const { hash } of manifest.chunks) wanted.add(hash);
    const file = await openLocal(source);
    const local = new LocalChunks(file, manifest.hash, wanted);
    try {
      const { profile } = manifest;
      for await (const { hash, offset } of chunks(file.source(), { profile, signal })) {
        const index = wanted.find(hash);
        if (index !== undefined && !local.#offsets.has(index)) local.#offsets.set(index, offset);
      }
      return local;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  has(digest: Uint8Array): boolean {
    return this.#offsetOf(digest) !== undefined;
  }

  /** Returns the bytes of a chunk, or `undefined` if the file has changed. */
  async read(digest: Uint8Array, length: number): Promise<ByteArray | undefined> {
    const offset = this.#offsetOf(digest);
    if (offset === undefined) return undefined;
    const bytes = await this.#file.read(offset, length).catch(() => undefined);
    if (bytes === undefined || bytes.length !== length) return undefined;
    const actual = await digestOf(this.#hash, bytes);
    return actual.every((byte, at) => byte === digest[at]) ? bytes : undefined;
  }

  #offsetOf(digest: Uint8Array): number | undefined {
    const index = this.#wanted.find(digest);
    return index === undefined ? undefined : this.#offsets.get(index);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function openLocal(source: LocalSource): Promise<LocalFile> {
  if (typeof source === "string") {
    const { readFile } = platform();
    if (readFile === undefined) {
      throw invalidArgument("reuse is a path, but only Node can read files by path");
    }
    return readFile(source);
  }
  const blob = isBlob(source as ByteSource) ? (source as Blob) : new Blob([source as BlobPart]);
  return {
    size: blob.size,
    source: () => blob,
    read: async (offset, length) =>
      new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
    close: async () => {},
  };
}
