import type { HashAlgorithm } from "../index.js";
import type { Limits } from "./wire.js";

/** What every request carries. */
export interface RequestOptions {
  /** Ends the request; the promise then rejects. */
  readonly signal: AbortSignal;
}

/** What {@link Transport.putPack} tells of its way. */
export interface PutOptions extends RequestOptions {
  /** Called with the bytes of the body that have left so far, where that is known. */
  readonly onSent?: (bytes: number) => void;
}

/** A body in pieces, to be sent one after another. */
export interface Body {
  /** Blobs only to a transport that {@link Transport.takesBlobs}. */
  readonly parts: readonly (Uint8Array<ArrayBuffer> | Blob)[];
  /** Bytes of all parts. */
  readonly length: number;
}

/** The answer to a question. */
export interface MissingAnswer {
  /** Bit `i`, the least significant of each byte first, is 1 if the chunk of digest `i` is missing. */
  readonly missing: Uint8Array;
  /** What the server takes, if it says. */
  readonly limits?: Limits | undefined;
}

/** A file of the server. */
export interface StoredFile {
  /** Its name: the hash algorithm and the digest of its manifest, `sha256-…`. */
  readonly root: string;
  /** In bytes; `null` if the manifest is damaged. */
  readonly length: number | null;
  /** When it was last committed, in UTC, as RFC 3339 writes it. */
  readonly committed: string;
}

/** A part of the list of files. */
export interface FilesAnswer {
  readonly files: readonly StoredFile[];
  /** Where the next part begins; `null` at the end. */
  readonly next: string | null;
}

/** What a server's store holds. */
export interface Usage {
  readonly files: number;
  readonly packs: number;
  readonly doomedPacks: number;
  readonly chunks: number;
  /** What all packs take up. */
  readonly bytes: number;
}

/**
 * The way to a server.
 *
 * Every method is one attempt: `upload` and `download` do the retrying, and they retry exactly the
 * rejections that are a `DedupError` with `retryable: true`. Methods are called concurrently. Bytes
 * that are given to a method are not kept after its promise settles.
 */
export interface Transport {
  /** Whether a body's parts may be Blobs: slices of a file that need not be read to be sent. */
  readonly takesBlobs?: boolean | undefined;

  /** Returns what one request may hold. */
  limits(options: RequestOptions): Promise<Limits>;

  /** Returns which of `digests`, 32 bytes each, the store lacks. */
  missing(
    hash: HashAlgorithm,
    digests: Uint8Array<ArrayBuffer>,
    options: RequestOptions,
  ): Promise<MissingAnswer>;

  /** Stores the chunks of a pack, all or none. */
  putPack(hash: HashAlgorithm, pack: Body, options: PutOptions): Promise<void>;

  /** Returns the bytes of a pack with these chunks, in this order. Leaving the loop ends the request. */
  readChunks(
    hash: HashAlgorithm,
    digests: Uint8Array<ArrayBuffer>,
    options: RequestOptions & { readonly encoding?: "zstd" | undefined },
  ): Promise<AsyncIterable<Uint8Array>>;

  /**
   * Commits a manifest in its canonical bytes.
   *
   * Rejects with a `DedupError` `chunks_missing` and its `missing` digests when the store lacks
   * chunks that the manifest names.
   */
  putManifest(
    root: string,
    manifest: Uint8Array<ArrayBuffer>,
    options: RequestOptions,
  ): Promise<void>;

  /** Returns the canonical bytes of a committed manifest; more than `maxBytes` are an error. */
  getManifest(
    root: string,
    options: RequestOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array>;

  /** Lists at most `limit` files after the one named `after`, by their names. */
  listFiles(
    options: RequestOptions & {
      readonly after?: string | undefined;
      readonly limit?: number | undefined;
    },
  ): Promise<FilesAnswer>;

  /** Deletes a file; rejects with `root_not_found` when there is none. */
  deleteFile(root: string, options: RequestOptions): Promise<void>;

  usage(options: RequestOptions): Promise<Usage>;
}
