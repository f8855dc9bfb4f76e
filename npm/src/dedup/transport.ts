import { type ByteArray, kindOf } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import type { HashAlgorithm } from "../index.js";
import type { Limits } from "./wire.js";

/** Options of every request. */
export interface RequestOptions {
  /** Ends the request; the promise then rejects. */
  readonly signal: AbortSignal;
}

/** Options of {@link Transport.putPack}. */
export interface PutOptions extends RequestOptions {
  /** Called with the number of bytes of the body sent so far, if that is known. */
  readonly onSent?: (bytes: number) => void;
}

/** Options of {@link Transport.readChunks}. */
export interface ReadChunksOptions extends RequestOptions {
  /** Lets the server send chunks compressed, as it stores them. */
  readonly encoding?: "zstd" | undefined;
  /** Makes the server verify digests before it sends chunks, which it then does not compress. */
  readonly verify?: "digest" | undefined;
}

/** Options of {@link Transport.readFile}. */
export interface ReadFileOptions extends ReadChunksOptions {
  /** The part of the file, in bytes. Default: all of it. `end` may be beyond the end of the file. */
  readonly range?: { readonly start?: number | undefined; readonly end?: number | undefined };
}

/** Options of {@link Transport.putManifest}. */
export interface CommitOptions extends RequestOptions {
  /**
   * Whether the client expects the server to have all chunks already (`known`), or is sending those that were missing
   * (`sent`): the server then waits for those that are still arriving. Default: the server has confirmed every chunk.
   */
  readonly expect?: "known" | "sent" | undefined;
}

/** A body in parts, sent one after another. */
export interface Body {
  /** Contains Blobs only for a transport with {@link Transport.takesBlobs}. */
  readonly parts: readonly (ByteArray | Blob)[];
  /** Bytes of all parts. */
  readonly length: number;
}

/** The answer to a question. */
export interface MissingAnswer {
  /** Bit `i`, the least significant of each byte first, is 1 if the chunk of digest `i` is missing. */
  readonly missing: Uint8Array;
  /** The server's limits, if the answer has them. */
  readonly limits?: Limits | undefined;
}

/** A file of the server. */
export interface StoredFile {
  /** Its name: the hash algorithm and the digest of its manifest, `sha256-…`. */
  readonly root: string;
  /** In bytes; `null` if the manifest is damaged. */
  readonly length: number | null;
  /** When it was last committed: RFC 3339, in UTC. */
  readonly committed: string;
}

/** A part of the list of files. */
export interface FilesAnswer {
  readonly files: readonly StoredFile[];
  /** Where the next part starts; `null` at the end. */
  readonly next: string | null;
}

/** How much a server's store holds. */
export interface Usage {
  readonly files: number;
  readonly packs: number;
  readonly doomedPacks: number;
  readonly chunks: number;
  /** Bytes of all packs. */
  readonly bytes: number;
}

/**
 * A connection to a server.
 *
 * Every method is one attempt: `upload` and `download` retry, if and only if a method rejects with a
 * `DedupError` with `retryable: true`. Methods are called concurrently. Once its promise has settled, a method
 * must not keep the bytes it was given. It must not change or reuse a piece it has yielded: a download
 * verifies it in place, and its consumer then owns the buffer.
 */
export interface Transport {
  /** Whether parts of a body may be Blobs: slices of a file, sent without being read first. */
  readonly takesBlobs?: boolean | undefined;

  /** Returns the server's limits for a single request. */
  limits(options: RequestOptions): Promise<Limits>;

  /** Returns which of `digests`, 32 bytes each, the store lacks. */
  missing(hash: HashAlgorithm, digests: ByteArray, options: RequestOptions): Promise<MissingAnswer>;

  /** Stores all chunks of a pack, or none. */
  putPack(hash: HashAlgorithm, pack: Body, options: PutOptions): Promise<void>;

  /**
   * Returns a file's manifest and the chunks in a part of the file, in the format `CDL1` of
   * `docs/protocol.md`. Leaving the loop ends the request.
   */
  readFile(root: string, options: ReadFileOptions): Promise<AsyncIterable<Uint8Array>>;

  /** Returns the bytes of a pack with these chunks, in this order. Leaving the loop ends the request. */
  readChunks(
    hash: HashAlgorithm,
    digests: ByteArray,
    options: ReadChunksOptions,
  ): Promise<AsyncIterable<Uint8Array>>;

  /**
   * Commits a manifest in its canonical bytes.
   *
   * If the store lacks chunks of the manifest, rejects with a `DedupError` `chunks_missing` that lists their
   * digests in `missing`, and has their number in `count`.
   */
  putManifest(root: string, manifest: ByteArray, options: CommitOptions): Promise<void>;

  /** Returns the canonical bytes of a committed manifest; rejects if they are more than `maxBytes`. */
  getManifest(
    root: string,
    options: RequestOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array>;

  /** Lists at most `limit` files after the one named `after`, sorted by name. */
  listFiles(
    options: RequestOptions & {
      readonly after?: string | undefined;
      readonly limit?: number | undefined;
    },
  ): Promise<FilesAnswer>;

  /** Deletes a file; rejects with `root_not_found` if there is none. */
  deleteFile(root: string, options: RequestOptions): Promise<void>;

  /** Returns how much the store holds. */
  usage(options: RequestOptions): Promise<Usage>;
}

/** @throws {ChunkerError} `invalid_argument` if `transport` cannot send this request. */
export function checkTransport(
  transport: Transport | undefined,
  request: Exclude<keyof Transport, "takesBlobs">,
): asserts transport is Transport {
  if (typeof transport?.[request] !== "function") {
    throw invalidArgument(`transport is ${kindOf(transport)} (expected a Transport)`);
  }
}
