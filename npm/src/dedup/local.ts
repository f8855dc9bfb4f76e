// The chunks of an older local file.

import type { ByteArray } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { type ByteSource, chunks, digest as digestOf, type Manifest } from "../index.js";
import { isBlob } from "../source.js";
import { keyOf } from "./digest-key.js";
import { type LocalFile, platform } from "./platform.js";

/** A local file: a Blob or File, bytes, or in Node a path. */
export type LocalSource = Blob | ArrayBuffer | ArrayBufferView | string;

/** The places of a manifest's chunks in a local file. */
export class LocalChunks {
  readonly #file: LocalFile;
  readonly #hash: Manifest["hash"];
  readonly #offsets = new Map<string, number>();

  private constructor(file: LocalFile, hash: Manifest["hash"]) {
    this.#file = file;
    this.#hash = hash;
  }

  /** Chunks `source` with the manifest's profile, and finds the chunks in common. */
  static async find(
    source: LocalSource,
    manifest: Manifest,
    signal: AbortSignal,
  ): Promise<LocalChunks> {
    const wanted = new Set(manifest.chunks.map(({ hash }) => keyOf(hash)));
    const file = await openLocal(source);
    const local = new LocalChunks(file, manifest.hash);
    try {
      const { profile } = manifest;
      for await (const { hash, offset } of chunks(file.source(), { profile, signal })) {
        const key = keyOf(hash);
        if (wanted.has(key) && !local.#offsets.has(key)) local.#offsets.set(key, offset);
      }
      return local;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  has(digest: Uint8Array): boolean {
    return this.#offsets.has(keyOf(digest));
  }

  /** Returns the bytes of a chunk, or `undefined` if the file has changed. */
  async read(digest: Uint8Array, length: number): Promise<ByteArray | undefined> {
    const offset = this.#offsets.get(keyOf(digest));
    if (offset === undefined) return undefined;
    const bytes = await this.#file.read(offset, length).catch(() => undefined);
    if (bytes === undefined || bytes.length !== length) return undefined;
    const actual = await digestOf(this.#hash, bytes);
    return actual.every((byte, at) => byte === digest[at]) ? bytes : undefined;
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
