/// <reference lib="esnext.disposable" preserve="true" />
import { type Bytes, bytesOf } from "../bytes.js";
import { Owned } from "../disposable.js";
import { calling, invalidArgument } from "../errors.js";
import { owned } from "./decompressor.js";
import type {
  ReferenceNormalizer as CoreNormalizer,
  ReferencePatches as CorePatches,
} from "./glue.js";
import { core } from "./load.js";
import { textsOf } from "./nix.js";

/** Returns the public object of the module's. */
let patchesOf: (patches: CorePatches) => ReferencePatches;

/**
 * Takes the hashes of Nix store paths out of a stream before it is chunked, so that two builds which
 * differ only in the paths that they refer to share their chunks. Needs a loaded module: await
 * {@link ready}, except in Node.
 *
 * ```ts
 * const normalizer = new ReferenceNormalizer(["/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-glibc-2.38"]);
 * const first = normalizer.push(nar);
 * const { rest, patches } = normalizer.finish();
 * ```
 *
 * The result does not depend on the size of the pieces. At most 31 bytes are held back.
 */
export class ReferenceNormalizer {
  readonly #owned: Owned<CoreNormalizer>;

  /**
   * Looks for the hashes of these store paths. A path may be full, a base name or the hash alone; one
   * named twice counts once.
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
   * Takes the next piece and returns what is settled by now.
   *
   * @throws {ChunkerError} `too_many_patches` above 4,194,304 hashes, `invalid_argument` or
   * `chunker_closed`.
   */
  push(piece: Bytes): Uint8Array<ArrayBuffer> {
    const bytes = bytesOf(piece, "piece");
    const normalizer = this.#owned.get();
    return owned(calling(() => normalizer.push(bytes)));
  }

  /**
   * Ends the stream; returns the rest of it and what was replaced, and frees the normalizer.
   *
   * @throws {ChunkerError} `too_many_patches` or `chunker_closed`.
   */
  finish(): { rest: Uint8Array<ArrayBuffer>; patches: ReferencePatches } {
    const normalizer = this.#owned.get();
    try {
      const rest = owned(calling(() => normalizer.finish()));
      return { rest, patches: patchesOf(normalizer.patches()) };
    } finally {
      this.#owned.release();
    }
  }

  /** Frees the normalizer; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** The hashes that a {@link ReferenceNormalizer} replaced in a stream: what restores it. */
export class ReferencePatches {
  readonly #owned: Owned<CorePatches>;

  private constructor(patches: CorePatches) {
    this.#owned = new Owned(patches);
  }

  /**
   * Returns the patches of their canonical bytes.
   *
   * @throws {ChunkerError} `invalid_patches`, `unsupported_patches_version`, `too_many_references`,
   * `invalid_argument` or `not_ready`.
   */
  static parse(bytes: Bytes): ReferencePatches {
    const checked = bytesOf(bytes, "bytes");
    const { ReferencePatches: Core } = core();
    return new ReferencePatches(calling(() => Core.parse(checked)));
  }

  /** Returns the canonical bytes, to be stored beside the stream. Equal patches have equal bytes. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return owned(this.#owned.get().toBytes());
  }

  /** Bytes of the stream, which is as long normalized as restored. */
  get streamLength(): number {
    const length = Number(this.#owned.get().streamLength());
    if (!Number.isSafeInteger(length))
      throw invalidArgument("the stream is longer than 2^53-1 bytes");
    return length;
  }

  /** How many hashes were replaced. */
  get count(): number {
    return this.#owned.get().count();
  }

  /** The hashes that the stream holds, ascending. */
  get references(): string[] {
    return this.#owned.get().references();
  }

  /**
   * Returns bytes of the normalized stream that begin at `offset` with their hashes put back.
   *
   * @throws {ChunkerError} `placeholder_missing` when they are of another stream,
   * `stream_length_mismatch` when they reach beyond its end, `invalid_argument` or `chunker_closed`.
   */
  restore(bytes: Bytes, offset = 0): Uint8Array<ArrayBuffer> {
    const checked = bytesOf(bytes, "bytes");
    const patches = this.#owned.get();
    return owned(calling(() => patches.restore(checked, offset)));
  }

  /** Frees the patches; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }

  static {
    patchesOf = (patches) => new ReferencePatches(patches);
  }
}
