import { invalidArgument } from "../../errors.js";
import { checkedOptions } from "../../options.js";
import type { Refusal } from "./error.js";
import { type Store, storeHandleOf } from "./store.js";

/** What a request asks for: the names of `docs/protocol.md`'s requests in metrics and logs. */
export type UploadOperation =
  | "describe"
  | "ask_missing"
  | "write_pack"
  | "read_chunks"
  | "read_chunk"
  | "commit"
  | "read_manifest"
  | "read_file"
  | "delete"
  | "list"
  | "usage";

/** What a request asks for, as its head says it. */
export interface UploadRequest {
  readonly operation: UploadOperation;
  /** Whether that changes what is stored. */
  readonly writes: boolean;
  /** The file that it concerns, if it is one: `sha256-…`. */
  readonly root: string | undefined;
  /** Length of its body in bytes; 0 if it has none. */
  readonly bodyLength: number;
}

/** Bounds of what requests may be; clients are told them. `docs/protocol.md` says what each is. */
export interface UploadLimits {
  /** Bytes of the longest pack: 4 MiB to 1 GiB. Default: 32 MiB. */
  readonly packBytes?: number | undefined;
  /** Bytes of all chunks of a pack, decompressed. Default: eight times `packBytes`. */
  readonly packLength?: number | undefined;
  /** Chunks of a pack: 1 to 1,048,576. Default: 16,384. */
  readonly packChunks?: number | undefined;
  /** Digests of a question: 1 to 1,048,576. Default: 65,536. */
  readonly missingDigests?: number | undefined;
  /** Chunks that are read by one request: 1 to 1,048,576. Default: 65,536. */
  readonly readDigests?: number | undefined;
  /** Bytes of the longest chunk. Default: 16 MiB, or what fits in a pack if that is less. */
  readonly chunkBytes?: number | undefined;
  /** Bytes of the longest manifest, 36 for every chunk: up to 1 GiB. Default: 64 MiB. */
  readonly manifestBytes?: number | undefined;
}

/**
 * What {@link UploadHandlerOptions.authorize} decides: `true` or nothing lets the request through, a store
 * too, which is then the one it is about; `false` is 403 `forbidden`, and a {@link Refusal} what it says.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook may have no `return`
export type Verdict = Store | Refusal | boolean | undefined | void;

/** Options of a handler; `R` is what its framework has for a request. */
export interface UploadHandlerOptions<R> {
  /** The store: open, or its path or URL. It may be left out where `authorize` returns one. */
  readonly store?: Store | string | URL | undefined;
  /**
   * Says who may do what, and chooses the store of whoever asks. Called for every request of the protocol
   * but preflights, which carry no credentials. Default: everybody may do everything.
   */
  readonly authorize?:
    | ((request: R, asked: UploadRequest) => Verdict | Promise<Verdict>)
    | undefined;
  /**
   * Returns how many bytes whoever asks may still write: a longer body is refused by 507. Called for packs
   * and manifests; what is stored of them may be less.
   */
  readonly quota?: ((request: R, asked: UploadRequest) => number | Promise<number>) | undefined;
  /**
   * Called with a file's name and length in bytes once it is stored for good, and before the client is told.
   * A client that does not hear of it commits again: then `isNew` is false. If it throws, so does the answer:
   * by a {@link Refusal} as that says, else by 500.
   */
  readonly onCommit?:
    | ((
        root: string,
        size: number,
        commit: { readonly isNew: boolean; readonly request: R },
      ) => unknown)
    | undefined;
  /**
   * Told of every failure that is not the client's: of the store, of a hook, and of a wrong setup. There is
   * no request if cannot open the store at the start.
   */
  readonly onError?: ((error: unknown, request: R | undefined) => unknown) | undefined;
  /** What all paths begin with as the handler sees them, such as `/store`. Default: nothing. */
  readonly prefix?: string | undefined;
  /** Other origins whose pages may ask, such as `https://example.org`; `"*"` for all. Default: none. */
  readonly origins?: readonly string[] | "*" | undefined;
  /** Whether pages of other origins may send cookies; not with `"*"`. Default: false. */
  readonly credentials?: boolean | undefined;
  /** Bytes that all requests together may take. Default: 256 MiB; at least twice `packBytes`. */
  readonly memory?: number | undefined;
  readonly limits?: UploadLimits | undefined;
  /** How long a client may make no progress in sending or reading, in milliseconds. Default: 30,000. */
  readonly stallTimeoutMs?: number | undefined;
}

const STALL_TIMEOUT_MS = 30_000;

export const HANDLER_KEYS = [
  "store",
  "authorize",
  "quota",
  "onCommit",
  "onError",
  "prefix",
  "origins",
  "credentials",
  "memory",
  "limits",
  "stallTimeoutMs",
] as const;

const LIMIT_KEYS = [
  "packBytes",
  "packLength",
  "packChunks",
  "missingDigests",
  "readDigests",
  "chunkBytes",
  "manifestBytes",
] as const;

/** Checks what JavaScript may give instead of options, and fills in what is left out. */
export function checkedHandlerOptions<R>(options: UploadHandlerOptions<R>) {
  const checked = checkedOptions(options, HANDLER_KEYS);
  const { store, authorize, origins, stallTimeoutMs = STALL_TIMEOUT_MS } = checked;
  for (const hook of ["authorize", "quota", "onCommit", "onError"] as const) {
    const value = checked[hook];
    if (value !== undefined && typeof value !== "function") {
      throw invalidArgument(`${hook} is not a function`);
    }
  }
  if (store === undefined && authorize === undefined) {
    throw invalidArgument("missing store (or an authorize that chooses one)");
  }
  const isStore = storeHandleOf(store) !== undefined || typeof store === "string";
  if (store !== undefined && !isStore && !(store instanceof URL)) {
    throw invalidArgument("store is not a Store, a path or a URL");
  }
  if (typeof stallTimeoutMs !== "number" || !(stallTimeoutMs > 0 && stallTimeoutMs < 2 ** 31)) {
    throw invalidArgument(`stallTimeoutMs ${stallTimeoutMs} is not from 1 to 2147483647`);
  }
  const engine = {
    ...checkedOptions(checked.limits, LIMIT_KEYS),
    prefix: checked.prefix,
    origins: origins === "*" ? ["*"] : origins,
    credentials: checked.credentials,
    memory: checked.memory,
  };
  return { ...checked, stallTimeoutMs, engine };
}
