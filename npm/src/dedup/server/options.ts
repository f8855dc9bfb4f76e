import { kindOf } from "../../bytes.js";
import { invalidArgument } from "../../errors.js";
import { checkedOptions, checkFunction } from "../../options.js";
import type { Refusal } from "./error.js";
import { type Store, storeHandleOf } from "./store.js";

/** The operation that a request asks for, by its name in metrics and logs. */
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

/** A request, as described by its head. */
export interface UploadRequest {
  readonly operation: UploadOperation;
  /** Whether it changes the store. */
  readonly writes: boolean;
  /** The file it concerns, if any: `sha256-…`. */
  readonly root: string | undefined;
  /** Length of the body in bytes, 0 if there is none. */
  readonly bodyLength: number;
}

/** Limits of requests, which clients can read. `docs/protocol.md` explains each. */
export interface UploadLimits {
  /** Longest pack in bytes: 4 MiB to 1 GiB. Default: 32 MiB. */
  readonly packBytes?: number | undefined;
  /** Decompressed bytes of all chunks in a pack. Default: eight times `packBytes`. */
  readonly packLength?: number | undefined;
  /** Chunks in a pack: 1 to 1,048,576. Default: 16,384. */
  readonly packChunks?: number | undefined;
  /** Digests in one question: 1 to 1,048,576. Default: 65,536. */
  readonly missingDigests?: number | undefined;
  /** Chunks that one request may read: 1 to 1,048,576. Default: 65,536. */
  readonly readDigests?: number | undefined;
  /** Longest chunk in bytes. Default: 16 MiB, or what fits in a pack if less. */
  readonly chunkBytes?: number | undefined;
  /** Longest manifest in bytes (36 per chunk): up to 1 GiB. Default: 64 MiB. */
  readonly manifestBytes?: number | undefined;
}

/**
 * The decision of {@link UploadHandlerOptions.authorize}: `true` or nothing allows the request, a store
 * allows it on that store, `false` answers 403 `forbidden`, and a {@link Refusal} is the answer.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook may have no `return`
export type Verdict = Store | Refusal | boolean | undefined | void;

/** Options of a handler. `R` is the framework's request type. */
export interface UploadHandlerOptions<R> {
  /** An open store, or its path or URL. Optional if `authorize` returns one. */
  readonly store?: Store | string | URL | undefined;
  /**
   * Decides who may do what, and can choose the store for a client. Called for every request of the
   * protocol except preflights, which carry no credentials. Default: everyone may do everything.
   */
  readonly authorize?:
    | ((request: R, asked: UploadRequest) => Verdict | Promise<Verdict>)
    | undefined;
  /**
   * Returns how many more bytes the client may write. Longer bodies are refused with 507. Called for packs
   * and manifests; less than their length may end up stored. Nothing else counts what a client has written:
   * the hook adds up `asked.bodyLength`.
   */
  readonly quota?: ((request: R, asked: UploadRequest) => number | Promise<number>) | undefined;
  /**
   * Called with a file's name and length in bytes once it is durable, before the client gets the answer. A
   * client that misses the answer commits again, with `isNew` false. If the hook throws a {@link Refusal},
   * that is the answer; any other error answers 500.
   */
  readonly onCommit?:
    | ((
        root: string,
        size: number,
        commit: { readonly isNew: boolean; readonly request: R },
      ) => unknown)
    | undefined;
  /**
   * Called for every failure that is not the client's: of the store, of a hook, or of the setup. There is
   * no request if the store cannot be opened at the start.
   */
  readonly onError?: ((error: unknown, request: R | undefined) => unknown) | undefined;
  /** Prefix of all paths as the handler sees them, such as `/store`. Default: none. */
  readonly prefix?: string | undefined;
  /**
   * Other origins whose pages may send requests, such as `https://example.org`, without a slash at the end; `"*"`
   * for all. Default: none.
   */
  readonly origins?: readonly string[] | "*" | undefined;
  /** Whether pages of these `origins` may send cookies. Not with `"*"`. Default: false. */
  readonly credentials?: boolean | undefined;
  /** Limit for the memory of all requests together, in bytes: at least twice `packBytes`. Default: 256 MiB. */
  readonly memory?: number | undefined;
  readonly limits?: UploadLimits | undefined;
  /** How long a client may make no progress sending or reading, in milliseconds. Default: 30,000. */
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

/** Checks options from JavaScript and fills in defaults. */
export function checkedHandlerOptions<R>(options: UploadHandlerOptions<R>) {
  const checked = checkedOptions(options, HANDLER_KEYS);
  const { store, authorize, origins, stallTimeoutMs = STALL_TIMEOUT_MS } = checked;
  for (const hook of ["authorize", "quota", "onCommit", "onError"] as const) {
    checkFunction(hook, checked[hook]);
  }
  if (store === undefined && authorize === undefined) {
    throw invalidArgument("store is missing (expected a store, or an authorize that returns one)");
  }
  const isStore = storeHandleOf(store) !== undefined || typeof store === "string";
  if (store !== undefined && !isStore && !(store instanceof URL)) {
    throw invalidArgument(`store is ${kindOf(store)} (expected a Store, a path or a URL)`);
  }
  if (typeof stallTimeoutMs !== "number" || !(stallTimeoutMs > 0 && stallTimeoutMs < 2 ** 31)) {
    throw invalidArgument(
      `stallTimeoutMs is ${stallTimeoutMs} (expected a number above 0 and below 2147483648)`,
    );
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
