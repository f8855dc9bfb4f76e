/// <reference lib="esnext.disposable" preserve="true" />
import { type ByteArray, type Bytes, bytesOf, fromHex, kindOf } from "./bytes.js";
import { Chunk } from "./chunk.js";
import { isDigest, packChunks, unpackChunks } from "./chunk-records.js";
import { Owned } from "./disposable.js";
import { ChunkerError, calling, counted, invalidArgument } from "./errors.js";
import type { Manifest as CoreManifest } from "./glue.js";
import { core } from "./load.js";
import {
  checkedOptions,
  checkedSourceOptions,
  checkSignal,
  type SourceOptions,
} from "./options.js";
import { resolveProfile } from "./profile.js";
import type { ByteSource } from "./source.js";
import type { HashAlgorithm, ProfileInput } from "./types.js";
import { type ChunkFetch, reassemble, verify, verifyChunk } from "./verification.js";

/** Options of {@link Manifest.parse}. */
export interface ParseOptions {
  /** Limit for the length in bytes; more is a `ChunkerError` `manifest_too_large`. Default: 64 MiB. */
  maxBytes?: number | undefined;
}

/** Options of {@link Manifest.reassemble}. */
export interface ReassembleOptions {
  /** Stops with the error `aborted`. Also passed to every `fetch`. */
  signal?: AbortSignal | undefined;
}

/** The JSON form of a manifest. Integers above 2^53-1 are decimal strings. */
export interface ManifestJson {
  version: 1;
  profile: string;
  totalLength: number;
  chunks: { hash: string; offset: number; length: number }[];
}

/** Like {@link Manifest.create}, with the records of the chunks. */
export let manifestOf: (profileId: string, records: Uint8Array) => Manifest;

/**
 * The chunks of an input in order, and the profile that cut them. Equal inputs have manifests with equal
 * bytes; the digest of those bytes, the root digest, identifies the input.
 *
 * Like {@link Chunker}, this needs a loaded module: await {@link ready} first, except in Node.
 */
export class Manifest {
  readonly #owned: Owned<CoreManifest>;
  #chunks: readonly Chunk[] | undefined;
  #rootDigest: ByteArray | undefined;

  private constructor(manifest: CoreManifest) {
    this.#owned = new Owned(manifest);
  }

  static {
    manifestOf = Manifest.#fromRecords;
  }

  /**
   * Returns the manifest of an input with these chunks, first to last, as found with `profile`.
   *
   * @throws {ChunkerError} `chunk_sequence_invalid` if no input has such chunks with this profile;
   * `invalid_argument`; or as {@link profile}.
   */
  static create(
    profile: ProfileInput | undefined,
    chunks: Iterable<{ hash: Uint8Array; length: number }>,
  ): Manifest {
    const { id } = resolveProfile(profile);
    if (typeof chunks?.[Symbol.iterator] !== "function") {
      throw invalidArgument(`chunks are ${kindOf(chunks)} (expected an iterable)`);
    }
    let offset = 0;
    const listed = Array.from(chunks, (chunk, index) => {
      const placed = new Chunk(
        digestOf(chunk?.hash, index),
        offset,
        integerOf(chunk?.length, `length of chunk ${index}`, invalidArgument),
      );
      offset += placed.length;
      return placed;
    });
    return Manifest.#fromRecords(id, packChunks(listed));
  }

  /**
   * Returns the manifest with these canonical bytes.
   *
   * @throws {ChunkerError} `manifest_too_large`, `unsupported_manifest_version`,
   * `chunk_sequence_invalid`, `invalid_manifest` or `invalid_argument`.
   */
  static parse(bytes: Bytes, options?: ParseOptions): Manifest {
    const { maxBytes } = checkedOptions(options, ["maxBytes"]);
    const { Manifest: Core } = core();
    const canonical = bytesOf(bytes, "bytes");
    return new Manifest(calling(() => Core.parse(canonical, maxBytes)));
  }

  /**
   * Returns the manifest with this JSON form.
   *
   * @throws {ChunkerError} `invalid_manifest`, `unsupported_manifest_version`, `unknown_profile`,
   * `invalid_chunking_options` or `chunk_sequence_invalid`.
   */
  static fromJSON(json: unknown): Manifest {
    const { version, profile, totalLength, chunks } = recordOf(
      json,
      ["version", "profile", "totalLength", "chunks"],
      "manifest",
    );
    if (version !== 1) {
      const message = `manifest version ${JSON.stringify(version)} is not supported (expected 1)`;
      throw counted(new ChunkerError("unsupported_manifest_version", message));
    }
    if (typeof profile !== "string")
      throw invalidManifest(`profile is ${kindOf(profile)} (expected a string)`);
    if (!Array.isArray(chunks))
      throw invalidManifest(`chunks are ${kindOf(chunks)} (expected an array)`);
    const length = integerOf(totalLength, "totalLength", invalidManifest);
    const listed = chunks.map((chunk: unknown, index) => {
      const { hash, offset, length } = recordOf(chunk, ["hash", "offset", "length"], "chunk");
      if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) {
        throw invalidManifest(`hash of chunk ${index} is not 64 lowercase hexadecimal digits`);
      }
      return new Chunk(
        fromHex(hash),
        integerOf(offset, `offset of chunk ${index}`, invalidManifest),
        integerOf(length, `length of chunk ${index}`, invalidManifest),
      );
    });
    const manifest = Manifest.#fromRecords(profile, packChunks(listed));
    if (manifest.totalLength !== length) {
      throw invalidManifest(
        `the chunk lengths add up to ${manifest.totalLength} (totalLength is ${length})`,
      );
    }
    return manifest;
  }

  static #fromRecords(profile: string, records: Uint8Array): Manifest {
    const { Manifest: Core } = core();
    return new Manifest(calling(() => new Core(profile, records)));
  }

  /** Returns the canonical bytes: 36 per chunk, plus about 75. */
  toBytes(): ByteArray {
    return new Uint8Array(this.#owned.get().toBytes());
  }

  /** The 32-byte digest of the canonical bytes, by the profile's algorithm. */
  get rootDigest(): ByteArray {
    const manifest = this.#owned.get();
    this.#rootDigest ??= new Uint8Array(manifest.rootDigest());
    return this.#rootDigest;
  }

  /** The root digest as 64 lowercase hexadecimal digits. */
  get rootDigestHex(): string {
    return new Chunk(this.rootDigest, 0, 0).hashHex;
  }

  /** The profile id, for example `fastcdc-v2020/nc1/262144-1048576-4194304/sha256`. */
  get profile(): string {
    return this.#owned.get().profile();
  }

  /** The hash algorithm of the chunks' digests and the root digest. */
  get hash(): HashAlgorithm {
    return this.#owned.get().hash() as HashAlgorithm;
  }

  /** Length of the input in bytes. */
  get totalLength(): number {
    return this.#owned.get().totalLength();
  }

  /** The chunks, in order. */
  get chunks(): readonly Chunk[] {
    const manifest = this.#owned.get();
    this.#chunks ??= Object.freeze(unpackChunks(manifest.chunks()));
    return this.#chunks;
  }

  /**
   * Returns if `data` is the chunk at `index`, and throws if not.
   *
   * @throws {ChunkerError} `chunk_index_out_of_range`, `chunk_length_mismatch`,
   * `chunk_digest_mismatch` or `invalid_argument`.
   */
  verifyChunk(index: number, data: Bytes): void {
    try {
      verifyChunk(this, index, data);
    } catch (error) {
      throw counted(error);
    }
  }

  /**
   * Resolves if `source` is exactly the manifest's input, and rejects if not. Keeps one read in memory. In
   * pages it also keeps the bytes of one chunk, if `crypto.subtle` hashes them and chunks are at most
   * 16 MiB.
   *
   * @throws {ChunkerError} `chunk_digest_mismatch`; `chunk_length_mismatch` if the source is too short or
   * too long; `invalid_argument` or `aborted`. Errors of the source pass through. Any error cancels the
   * source.
   */
  async verify(source: ByteSource, options?: SourceOptions): Promise<void> {
    try {
      await verify(this, source, checkedSourceOptions(options));
    } catch (error) {
      throw counted(error);
    }
  }

  /**
   * Yields the bytes of the input, one chunk at a time, as `fetch` returns them. Every chunk is verified
   * before it is yielded, so whatever `fetch` returns, the bytes are a correct prefix of the input. The
   * caller owns the bytes if `fetch` gives them away. A chunk equal to the one before it is not fetched
   * again.
   *
   * ```ts
   * const fetch = async ({ hashHex }) => (await storage.get(hashHex)).arrayBuffer();
   * for await (const bytes of manifest.reassemble(fetch)) await file.write(bytes);
   * ```
   *
   * @throws {ChunkerError} `chunk_unavailable` if `fetch` fails (see `cause`) or does not have the
   * chunk; `chunk_length_mismatch`, `chunk_digest_mismatch`, `invalid_argument` or `aborted`.
   */
  async *reassemble(
    fetch: ChunkFetch,
    options?: ReassembleOptions,
  ): AsyncGenerator<ByteArray, void, undefined> {
    try {
      const { signal } = checkedOptions(options, ["signal"]);
      checkSignal(signal);
      if (typeof fetch !== "function")
        throw invalidArgument(`fetch is ${kindOf(fetch)} (expected a function)`);
      yield* reassemble(this, fetch, signal);
    } catch (error) {
      throw counted(error);
    }
  }

  toJSON(): ManifestJson {
    return {
      version: 1,
      profile: this.profile,
      totalLength: this.totalLength,
      chunks: this.chunks.map((chunk) => chunk.toJSON()),
    };
  }

  /** Frees the manifest. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

type Refusal = (message: string) => ChunkerError;

function invalidManifest(reason: string): ChunkerError {
  return counted(new ChunkerError("invalid_manifest", `invalid manifest: ${reason}`));
}

function digestOf(hash: Uint8Array, index: number): ByteArray {
  const bytes = bytesOf(hash, `hash of chunk ${index}`);
  if (!isDigest(bytes)) throw invalidArgument(`hash of chunk ${index} is not 32 bytes long`);
  return bytes;
}

function integerOf(value: unknown, name: string, refusal: Refusal): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw refusal(`${name} is not an integer from 0 to 2^53-1`);
}

function recordOf(value: unknown, keys: readonly string[], name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) {
    throw invalidManifest(`${name} is ${kindOf(value)} (expected an object)`);
  }
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw invalidManifest(`${name} has an unknown key "${unknown}"`);
  return value as Record<string, unknown>;
}
