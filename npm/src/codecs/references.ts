/// <reference lib="esnext.disposable" preserve="true" />
import { type ByteArray, type Bytes, bytesOf } from "../bytes.js";
import { Owned } from "../disposable.js";
import { calling, invalidArgument } from "../errors.js";
import { owned } from "./decompressor.js";
import type {
  ReferenceNormalizer as CoreNormalizer,
  ReferencePatches as CorePatches,
} from "./glue.js";
import { core } from "./load.js";
import { textsOf } from "./nix.js";

/** Wraps the module's object in the public class. */
let patchesOf: (patches: CorePatches) => ReferencePatches;

/**
 * Removes the hashes of Nix store paths from a stream before it is chunked, so that two builds that differ
 * only in the paths they refer to share their chunks. Needs a loaded module: await {@link ready}, except
 * in Node.
 *
 * ```ts
 * const normalizer = new ReferenceNormalizer(["/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-glibc-2.38"]);
 * const first = normalizer.push(nar);
 * const { rest, patches } = normalizer.finish();
 * ```
 *
 * The result does not depend on how the stream is split. At most 31 bytes are held back.
 */
export class ReferenceNormalizer {
  readonly #owned: Owned<CoreNormalizer>;

  /**
   * Returns a normalizer for the hashes of these store paths. A path may be a full path, a base name, or
   * just the hash. Duplicates count once.
   *
   * @throws {ChunkerError} `invalid_store_hash`, `too_many_references` above 65,536, `invalid_argument`
   * or `not_ready`.
   */
  constructor(paths: Iterable<string>) {
    const checked = textsOf(paths, "paths", "path");
    const { ReferenceNormalizer: Core } = core();
    this.#owned = new Owned(calling(() => new Core(checked)));
  }

  /**
   * Takes the next piece and returns the output so far. It holds back the last bytes (at most 31),
   * because a hash may start in them.
   *
   * @throws {ChunkerError} `too_many_patches` above 4,194,304 hashes, `invalid_argument` or
   * `chunker_closed`.
   */
  push(piece: Bytes): ByteArray {
    const bytes = bytesOf(piece, "piece");
    const normalizer = this.#owned.get();
    return owned(calling(() => normalizer.push(bytes)));
  }

  /**
   * Ends the stream, returns its remaining bytes and the patches, and frees the normalizer.
   *
   * @throws {ChunkerError} `too_many_patches` or `chunker_closed`.
   */
  finish(): { rest: ByteArray; patches: ReferencePatches } {
    const normalizer = this.#owned.get();
    try {
      const rest = owned(calling(() => normalizer.finish()));
      return { rest, patches: patchesOf(normalizer.patches()) };
    } finally {
      this.#owned.release();
    }
  }

  /** Frees the normalizer. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** The hashes that a {@link ReferenceNormalizer} replaced in a stream, needed to restore it. */
export class ReferencePatches {
  readonly #owned: Owned<CorePatches>;

  private constructor(patches: CorePatches) {
    this.#owned = new Owned(patches);
  }

  /**
   * Parses the canonical bytes of patches.
   *
   * @throws {ChunkerError} `invalid_patches`, `unsupported_patches_version`, `too_many_references`,
   * `invalid_argument` or `not_ready`.
   */
  static parse(bytes: Bytes): ReferencePatches {
    const checked = bytesOf(bytes, "bytes");
    const { ReferencePatches: Core } = core();
    return new ReferencePatches(calling(() => Core.parse(checked)));
  }

  /** Returns the canonical bytes, to store with the stream. Equal patches have equal bytes. */
  toBytes(): ByteArray {
    return owned(this.#owned.get().toBytes());
  }

  /** Length of the stream in bytes: the same normalized and restored. */
  get streamLength(): number {
    const length = Number(this.#owned.get().streamLength());
    if (!Number.isSafeInteger(length))
      throw invalidArgument("the stream is longer than 2^53-1 bytes");
    return length;
  }

  /** The number of hashes that were replaced. */
  get count(): number {
    return this.#owned.get().count();
  }

  /** The hashes that occur in the stream, in ascending order. */
  get references(): string[] {
    return this.#owned.get().references();
  }

  /**
   * Restores the hashes in `bytes`, which start at `offset` in the normalized stream.
   *
   * @throws {ChunkerError} `placeholder_missing` if they belong to another stream,
   * `stream_length_mismatch` if they extend beyond its end, `invalid_argument` or `chunker_closed`.
   */
  restore(bytes: Bytes, offset = 0): ByteArray {
    const checked = bytesOf(bytes, "bytes");
    const patches = this.#owned.get();
    return owned(calling(() => patches.restore(checked, offset)));
  }

  /** Frees the patches. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }

  static {
    patchesOf = (patches) => new ReferencePatches(patches);
  }
}
