/// <reference lib="esnext.disposable" preserve="true" />
import { type ByteArray, type Bytes, bytesOf, kindOf } from "../bytes.js";
import { Owned } from "../disposable.js";
import { calling, invalidArgument } from "../errors.js";
import { checkedOptions } from "../options.js";
import { owned } from "./decompressor.js";
import type {
  NarInfo as CoreNarInfo,
  NixPublicKey as CorePublicKey,
  NixSecretKey as CoreSecretKey,
} from "./glue.js";
import { core } from "./load.js";
import { ready } from "./ready.js";
import { binaryOf } from "./signing.js";

/** Returns `data` in Nix's base32: 52 characters for 32 bytes. */
export async function nixBase32Encode(data: Bytes): Promise<string> {
  await ready();
  const bytes = bytesOf(data);
  return calling(() => core().nixBase32Encode(bytes));
}

/**
 * Returns the bytes of a text in Nix's base32.
 *
 * @throws {ChunkerError} `invalid_base32` or `invalid_argument`.
 */
export async function nixBase32Decode(text: string): Promise<ByteArray> {
  const checked = textOf(text, "text");
  await ready();
  return owned(calling(() => core().nixBase32Decode(checked)));
}

/** The part of a narinfo that is signed. All paths are full: `/nix/store/<hash>-<name>`. */
export interface NarInfoFields {
  storePath: string;
  /** SHA-256 digest of the NAR, 32 bytes. */
  narHash: Bytes;
  /** Bytes of the NAR. */
  narSize: number;
  /** In any order. Default: none. */
  references?: Iterable<string> | undefined;
}

const FIELDS = ["storePath", "narHash", "narSize", "references"] as const;

/** Returns the module's object, for keys. */
let handleOf: (narInfo: NarInfo) => CoreNarInfo;

/** The part of a narinfo that is signed. Needs a loaded module: await {@link ready}, except in Node. */
export class NarInfo {
  readonly #owned: Owned<CoreNarInfo>;

  /** @throws {ChunkerError} `invalid_store_path`, `invalid_nar_size`, `invalid_argument` or `not_ready`. */
  constructor(fields: NarInfoFields) {
    const { storePath, narHash, narSize, references = [] } = checkedOptions(fields, FIELDS);
    const path = textOf(storePath, "storePath");
    const hash = bytesOf(narHash as Bytes, "narHash");
    if (typeof references === "string" || typeof references?.[Symbol.iterator] !== "function") {
      throw invalidArgument(`references are not an iterable of strings, but ${kindOf(references)}`);
    }
    const paths = Array.from(references, (each, index) => textOf(each, `reference ${index}`));
    const { NarInfo: Core } = core();
    this.#owned = new Owned(calling(() => new Core(path, hash, narSize, paths)));
  }

  /** The text that is signed: `1;<store path>;sha256:<base32>;<NAR size>;<references>`. */
  get fingerprint(): string {
    return this.#owned.get().fingerprint();
  }

  /** Frees the narinfo; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }

  static {
    handleOf = (narInfo) => {
      if (typeof narInfo !== "object" || narInfo === null || !(#owned in narInfo)) {
        throw invalidArgument(`narInfo is not a NarInfo, but ${kindOf(narInfo)}`);
      }
      return narInfo.#owned.get();
    };
  }
}

/** A key with a name that signs narinfo files. Disposing of it overwrites its memory. */
export class NixSecretKey {
  readonly #owned: Owned<CoreSecretKey>;

  private constructor(key: CoreSecretKey) {
    this.#owned = new Owned(key);
  }

  /**
   * Returns a key with a name, such as `cache.example.org-1`; the key is as for {@link sign}.
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
   * Returns the key of a file's content: `name:base64`.
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

  /** The key that verifies what this one signs. */
  get publicKey(): NixPublicKey {
    return NixPublicKey.parse(this.#owned.get().publicKey());
  }

  /** Returns the value of a narinfo's line `Sig:`. */
  sign(narInfo: NarInfo): string {
    return this.#owned.get().sign(handleOf(narInfo));
  }

  /** Overwrites and frees the key; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

/** A key with a name that verifies signatures of narinfo files: an entry of `trusted-public-keys`. */
export class NixPublicKey {
  readonly #owned: Owned<CorePublicKey>;

  private constructor(key: CorePublicKey) {
    this.#owned = new Owned(key);
  }

  /**
   * Returns the key of an entry: `name:base64`.
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
   * Returns when `signature` is the value of a narinfo's line `Sig:` by this key.
   *
   * @throws {ChunkerError} `verification_failed`, `invalid_signature`, `invalid_signature_length`,
   * `decode_error` or `invalid_argument`.
   */
  verify(narInfo: NarInfo, signature: string): void {
    const handle = this.#owned.get();
    const checked = textOf(signature, "signature");
    calling(() => handle.verify(handleOf(narInfo), checked));
  }

  /** Frees the key; may be called at any time. */
  [Symbol.dispose](): void {
    this.#owned.release();
  }
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== "string")
    throw invalidArgument(`${name} is not a string, but ${kindOf(value)}`);
  return value;
}
