import type { HashAlgorithm } from "../../index.js";

/**
 * Where the receiving side keeps chunks and manifests.
 *
 * Digests and root digests come as 64 lowercase hexadecimal digits. The request handler has checked
 * them, and checks all contents on the way in and out; a store only keeps them. Methods are called
 * concurrently, for the same chunk too.
 */
export interface ChunkStore {
  /** Returns the length in bytes of each chunk, `undefined` for those that are not stored. */
  chunkLengths(
    hash: HashAlgorithm,
    digests: readonly string[],
  ): Promise<readonly (number | undefined)[]>;

  /**
   * Stores a chunk, durably by the time the promise resolves.
   *
   * `payload` throws, at its end at the latest, if the bytes are not those of `digest` or the sender
   * went away; nothing of the chunk may then ever be seen.
   */
  putChunk(hash: HashAlgorithm, digest: string, payload: AsyncIterable<Uint8Array>): Promise<void>;

  /** Returns the bytes of a chunk, `undefined` if it is not stored. */
  getChunk(hash: HashAlgorithm, digest: string): Promise<Uint8Array | undefined>;

  /** Takes a chunk whose bytes no longer have its digest out of use, so that it is missing again. */
  setAsideChunk(hash: HashAlgorithm, digest: string): Promise<void>;

  /** Returns the canonical bytes of a manifest, `undefined` if it is not stored. */
  getManifest(rootDigest: string): Promise<Uint8Array | undefined>;

  /** Stores a manifest, durably by the time the promise resolves. */
  putManifest(rootDigest: string, bytes: Uint8Array): Promise<void>;
}
