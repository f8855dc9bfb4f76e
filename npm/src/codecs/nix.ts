/// <reference lib="esnext.disposable" preserve="true" />
import { type ByteArray, type Bytes, bytesOf, kindOf } from "../bytes.js";
import { Owned } from "../disposable.js";
import { calling, invalidArgument } from "../errors.js";
import { checkedOptions } from "../options.js";
import { owned } from "./decompressor.js";
import type {
  NarInfo as CoreNarInfo,
  NarInfoFile as CoreNarInfoFile,
  NixPublicKey as CorePublicKey,
  NixSecretKey as CoreSecretKey,
} from "./glue.js";
import { core } from "./load.js";
import { ready } from "./ready.js";
import { binaryOf } from "./signing.js";

/** Returns `data` in Nix base32: 52 characters for 32 bytes. */
export async function nixBase32Encode(data: Bytes): Promise<string> {
  await ready();
  const bytes = bytesOf(data);
  return calling(() => core().nixBase32Encode(bytes));
}

/**
 * Returns the bytes of Nix base32 text.
 *
 * @throws {ChunkerError} `invalid_base32` or `invalid_argument`.
 */
export async function nixBase32Decode(text: string): Promise<ByteArray> {
  const checked = textOf(text, "text");
  await ready();
  return owned(calling(() => core().nixBase32Decode(checked)));
}

/** A SHA-256 text format: `sha256:` with Nix base32 or hexadecimal digits, or `sha256-` with base64. */
export type NixHashFormat = "base32" | "base16" | "sri";

/**
 * Returns a SHA-256 digest in a format of Nix.
 *
 * @throws {ChunkerError} `invalid_argument` if it is not 32 bytes long or the format is unknown.
 */
export async function nixHashEncode(digest: Bytes, format: NixHashFormat): Promise<string> {
  const bytes = bytesOf(digest, "digest");
  const checked = textOf(format, "format");
  await ready();
  return calling(() => core().nixHashEncode(bytes, checked));
}

/**
 * Parses a SHA-256 digest in any {@link NixHashFormat}.
 *
 * @throws {ChunkerError} `invalid_nix_hash` or `invalid_argument`.
 */
export async function nixHashDecode(text: string): Promise<ByteArray> {
  const checked = textOf(text, "text");
  await ready();
  return owned(calling(() => core().nixHashDecode(checked)));
}

/** The part of a narinfo that is signed. All paths are full: `/nix/store/<hash>-<name>`. */
export interface NarInfoFields {
  storePath: string;
  /** SHA-256 digest of the NAR, 32 bytes. */
  narHash: Bytes;
  /** Size of the NAR in bytes. */
  narSize: number;
  /** In any order. Default: none. */
  references?: Iterable<string> | undefined;
}

const FIELDS = ["storePath", "narHash", "narSize", "references"] as const;

/** Returns the module's object, for the key classes. */
let handleOf: (narInfo: NarInfo) => CoreNarInfo;

/** The part of a narinfo that is signed. Needs a loaded module: await {@link ready}, except in Node. */
export class NarInfo {
  readonly #owned: Owned<CoreNarInfo>;

  /** @throws {ChunkerError} `invalid_store_path`, `invalid_nar_size`, `invalid_argument` or `not_ready`. */
  constructor(fields: NarInfoFields) {
    const { storePath, narHash, narSize, references = [] } = checkedOptions(fields, FIELDS);
    const path = textOf(storePath, "storePath");
    const hash = bytesOf(narHash as Bytes, "narHash");
    const paths = textsOf(references, "references", "reference");
    const { NarInfo: Core } = core();
    this.#owned = new Owned(calling(() => new Core(path, hash, narSize, paths)));
  }

  /** The text that is signed: `1;<store path>;sha256:<base32>;<NAR size>;<references>`. */
  get fingerprint(): string {
    return this.#owned.get().fingerprint();
  }

  /** Frees the narinfo. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }

  static {
    handleOf = (narInfo) => {
      if (typeof narInfo !== "object" || narInfo === null || !(#owned in narInfo)) {
        throw invalidArgument(`narInfo is ${kindOf(narInfo)} (expected a NarInfo)`);
      }
      return narInfo.#owned.get();
    };
  }
}

/** A named key that signs narinfo files. Disposing of it overwrites its memory. */
export class NixSecretKey {
  readonly #owned: Owned<CoreSecretKey>;

  private constructor(key: CoreSecretKey) {
    this.#owned = new Owned(key);
  }

  /**
   * Returns a key with a name such as `cache.example.org-1`. `secretKey` is as for {@link sign}.
   *
   * @throws {ChunkerError} `invalid_secret_key`, `decode_error`, `invalid_argument` or `not_ready`.
   */
  static create(name: string, secretKey: Bytes | string): NixSecretKey {
    const checked = textOf(name, "name");
    const key = binaryOf(secretKey, "secretKey");
    const { NixSecretKey: Core } = core();
    return new NixSecretKey(calling(() => new Core(checked, key)));
  }

  /**
   * Parses the content of a key file: `name:base64`.
   *
   * @throws {ChunkerError} As {@link create}.
   */
  static parse(text: string): NixSecretKey {
    const checked = textOf(text, "text");
    const { NixSecretKey: Core } = core();
    return new NixSecretKey(calling(() => Core.parse(checked)));
  }

  /** Returns the content of a key file. */
  toText(): string {
    return this.#owned.get().toText();
  }

  /** The public key, which verifies signatures by this key. */
  get publicKey(): NixPublicKey {
    return NixPublicKey.parse(this.#owned.get().publicKey());
  }

  /** Returns the value of a `Sig:` line. */
  sign(narInfo: NarInfo): string {
    return this.#owned.get().sign(handleOf(narInfo));
  }

  /** Overwrites and frees the key. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** A named key that verifies signatures of narinfo files: an entry of `trusted-public-keys`. */
export class NixPublicKey {
  readonly #owned: Owned<CorePublicKey>;

  private constructor(key: CorePublicKey) {
    this.#owned = new Owned(key);
  }

  /**
   * Parses an entry: `name:base64`.
   *
   * @throws {ChunkerError} `invalid_public_key`, `decode_error`, `invalid_argument` or `not_ready`.
   */
  static parse(text: string): NixPublicKey {
    const checked = textOf(text, "text");
    const { NixPublicKey: Core } = core();
    return new NixPublicKey(calling(() => Core.parse(checked)));
  }

  /** The key's name. */
  get name(): string {
    return this.#owned.get().name();
  }

  /** The entry: `name:base64`. */
  toString(): string {
    return this.#owned.get().toText();
  }

  /**
   * Verifies `signature`, the value of a `Sig:` line; throws unless it is by this key.
   *
   * @throws {ChunkerError} `verification_failed`, `invalid_signature`, `invalid_signature_length`,
   * `decode_error` or `invalid_argument`.
   */
  verify(narInfo: NarInfo, signature: string): void {
    const handle = this.#owned.get();
    const checked = textOf(signature, "signature");
    calling(() => handle.verify(handleOf(narInfo), checked));
  }

  /** Frees the key. May be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** A narinfo file: what a binary cache says about a store path. */
export interface NarInfoFile extends NarInfoFields {
  /** Where the NAR is, relative to the cache. */
  url: string;
  /** Compression of the file at the URL, such as `none`, `xz` or `zstd`. Default: `none`. */
  compression?: string | undefined;
  /** SHA-256 digest of the file at the URL. */
  fileHash?: Bytes | undefined;
  /** Length of the file at the URL, in bytes. */
  fileSize?: number | undefined;
  /** Full path of the derivation. */
  deriver?: string | undefined;
  /** The values of all `Sig:` lines. */
  signatures?: Iterable<string> | undefined;
  /** How the path is content-addressed. */
  ca?: string | undefined;
  /** Fields of other names, in order. */
  other?: Iterable<readonly [name: string, value: string]> | undefined;
}

/** A parsed narinfo file. Fields that a file always has are always present. */
export interface ParsedNarInfoFile extends NarInfoFile {
  narHash: ByteArray;
  references: string[];
  compression: string;
  fileHash: ByteArray | undefined;
  signatures: string[];
  other: [name: string, value: string][];
}

const FILE_FIELDS = [
  ...FIELDS,
  "url",
  "compression",
  "fileHash",
  "fileSize",
  "deriver",
  "signatures",
  "ca",
  "other",
] as const;

/**
 * Parses a narinfo file. Fields may be in any order. As in Nix, the default compression is `bzip2`.
 *
 * @throws {ChunkerError} `invalid_narinfo`, `invalid_store_path`, `invalid_nar_size` or
 * `invalid_argument`, also for sizes above 2^53-1.
 */
export async function parseNarInfo(text: string): Promise<ParsedNarInfoFile> {
  const checked = textOf(text, "text");
  await ready();
  const { NarInfoFile: Core } = core();
  const file = calling(() => Core.parse(checked));
  try {
    const { fileHash, fileSize, other } = file;
    return {
      storePath: file.storePath,
      narHash: owned(file.narHash),
      narSize: sizeOf(file.narSize, "NarSize"),
      references: file.references,
      url: file.url,
      compression: file.compression,
      fileHash: fileHash && owned(fileHash),
      fileSize: fileSize === undefined ? undefined : sizeOf(fileSize, "FileSize"),
      deriver: file.deriver,
      signatures: file.signatures,
      ca: file.ca,
      other: Array.from({ length: other.length / 2 }, (_, pair) => [
        other[2 * pair] as string,
        other[2 * pair + 1] as string,
      ]),
    };
  } finally {
    file.free();
  }
}

function sizeOf(size: bigint, field: string): number {
  if (size > Number.MAX_SAFE_INTEGER) throw invalidArgument(`${field} ${size} is above 2^53-1`);
  return Number(size);
}

/**
 * Returns the text of a narinfo file, with its fields in Nix's order.
 *
 * @throws {ChunkerError} `invalid_narinfo` for a value that would not be read back unchanged, such as one
 * with a line feed; otherwise as {@link NarInfo}.
 */
export async function formatNarInfo(file: NarInfoFile): Promise<string> {
  const checked = checkedOptions(file, FILE_FIELDS) as NarInfoFile;
  const { compression = "none", fileHash, fileSize } = checked;
  const url = textOf(checked.url, "url");
  const codec = textOf(compression, "compression");
  const deriver = checked.deriver === undefined ? undefined : textOf(checked.deriver, "deriver");
  const ca = checked.ca === undefined ? undefined : textOf(checked.ca, "ca");
  const hash = fileHash === undefined ? undefined : bytesOf(fileHash, "fileHash");
  const signatures = textsOf(checked.signatures ?? [], "signatures", "signature");
  const other = Array.from(checked.other ?? [], (field, index) =>
    textsOf(field, `field ${index}`, "its part").slice(0, 2),
  );
  await ready();
  const { storePath, narHash, narSize, references } = checked;
  const narInfo = new NarInfo({ storePath, narHash, narSize, references });
  const { NarInfoFile: Core } = core();
  let made: CoreNarInfoFile | undefined;
  try {
    const handle = handleOf(narInfo);
    return calling(() => {
      made = new Core(handle, url, codec, hash, fileSize, deriver, signatures, ca, other.flat());
      return made.toText();
    });
  } finally {
    made?.free();
    narInfo[Symbol.dispose]();
  }
}

/** @throws {ChunkerError} `invalid_argument`. */
export function textOf(value: unknown, name: string): string {
  if (typeof value !== "string")
    throw invalidArgument(`${name} is ${kindOf(value)} (expected a string)`);
  return value;
}

/** @throws {ChunkerError} `invalid_argument`. */
export function textsOf(values: Iterable<string>, name: string, one: string): string[] {
  if (typeof values === "string" || typeof values?.[Symbol.iterator] !== "function") {
    throw invalidArgument(`${name} are ${kindOf(values)} (expected an iterable of strings)`);
  }
  return Array.from(values, (each, index) => textOf(each, `${one} ${index}`));
}
