import { kindOf } from "../../bytes.js";
import { invalidArgument } from "../../errors.js";
import { checkedOptions, checkSignal } from "../../options.js";
import { aborted, orAborted, throwIfAborted } from "../../source.js";
import { type ByteRange, checkRange } from "../download-options.js";
import type { StoredFile, Usage } from "../transport.js";
import {
  asked,
  type ListedFile,
  nextPiece,
  type Pulled,
  type StoreHandle,
  serverAddon,
} from "./addon.js";
import type { CheckReport, CollectReport } from "./reports.js";

/** Options of {@link Store.open}. */
export interface StoreOptions {
  /** Whether to create the store if it does not exist. Default: true. */
  readonly create?: boolean | undefined;
  /** zstd level for new chunks: 1 to 22, or 0 to store them uncompressed. Default: 3. */
  readonly level?: number | undefined;
  /** Bytes after which a pack is written: 1 KiB to 1 GiB. Default: 16 MiB. */
  readonly packSize?: number | undefined;
  /** Concurrent requests to a remote store per operation: 1 to 1024. Default: 32. */
  readonly concurrency?: number | undefined;
  /** Folder for this machine's index; `false` for none. Default: one in the platform's cache. */
  readonly cache?: string | false | undefined;
  /** How long lists may lack new objects: at most an hour. Only for a new store. Default: 0. */
  readonly listingLagMs?: number | undefined;
  /** Longest manifest in bytes (36 per chunk). Default: 64 MiB. */
  readonly manifestLimit?: number | undefined;
}

/** Options of {@link Store.collect}. */
export interface CollectOptions {
  /** Packs younger than this are left alone. Default: 24 hours. */
  readonly minAgeMs?: number | undefined;
  /** Packs with at least this percentage of waste are rewritten: 0 to 100. Default: 20. */
  readonly maxWaste?: number | undefined;
  /** Only reports what it would do. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Stops the collection; the next one continues. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Store.check}. */
export interface CheckOptions {
  /** Whether to read every chunk and check its digest and checksum. Default: false. */
  readonly readData?: boolean | undefined;
  /** Whether to take damaged packs out of use, after copying their good chunks. Default: false. */
  readonly repair?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Store.read}. */
export interface ReadFileOptions {
  /** Default: the whole file. */
  readonly range?: ByteRange | undefined;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = [
  "create",
  "level",
  "packSize",
  "concurrency",
  "cache",
  "listingLagMs",
  "manifestLimit",
] as const;

/** The key of a store's handle, shared by all copies of this package, because they share the addon. */
const HANDLE = Symbol.for("chunker-cdc.store");

/**
 * A store of chunks and files, on a disk, on S3, GCS or Azure, or in memory.
 *
 * Any number of processes on any number of machines can use one store at the same time. Errors are a
 * {@link StoreError}. Work runs off the event loop.
 */
export class Store {
  readonly #handle: StoreHandle;

  private constructor(handle: StoreHandle) {
    this.#handle = handle;
    Object.defineProperty(this, HANDLE, { value: handle });
  }

  /**
   * Opens the store at an address, and creates it if it does not exist.
   *
   * @param address A path, or a URL: `file:`, `memory:`, `s3://bucket/prefix`, `gs://…`, `az://container/…`.
   * The last three take credentials and endpoint from the usual environment variables
   * (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …).
   * @throws {StoreError} `not_a_store`, `store_not_found`, `invalid_store_address`, …
   * @throws {ChunkerError} `native_unavailable` without an addon; `invalid_argument`.
   */
  static async open(address: string | URL, options?: StoreOptions): Promise<Store> {
    const { cache, ...rest } = checkedOptions(options, OPTIONS);
    const { Store: Native } = serverAddon();
    const native = { ...rest, cache: cache === false ? "" : cache };
    const text = addressOf(address);
    return new Store(await asked(() => Native.open(text, native)));
  }

  /** The store's address. */
  get url(): string {
    return this.#handle.url();
  }

  /** Returns how much the store holds. */
  usage(): Promise<Usage> {
    return asked(() => this.#handle.usage());
  }

  /** Yields the files, ordered by root. */
  async *files(): AsyncGenerator<StoredFile, void, undefined> {
    const lists = await asked(() => this.#handle.files());
    const next = async () => {
      const list = await asked(() => lists.next());
      return list.length === 0 ? null : list;
    };
    for await (const list of pulled(lists, next, undefined)) {
      for (const file of list) yield stored(file);
    }
  }

  /** Deletes a file's name; returns whether it had one. {@link collect} frees the space. */
  delete(root: string): Promise<boolean> {
    return asked(() => this.#handle.delete(root));
  }

  /**
   * Yields the bytes of a file, verified.
   *
   * @throws {StoreError} `root_not_found`, `range_not_satisfiable`, or if stored bytes are damaged.
   */
  async *read(
    root: string,
    options?: ReadFileOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { range, signal } = checkedOptions(options, ["range", "signal"]);
    checkRange(range);
    checkSignal(signal);
    throwIfAborted(signal);
    const pieces = await asked(() => this.#handle.read(root, range?.start, range?.end));
    yield* pulled(pieces, () => nextPiece(pieces), signal);
  }

  /**
   * Deletes data that no file needs.
   *
   * Safe at any time, from any process, even if killed. Committed files stay readable throughout. Uploads
   * that take longer than `minAgeMs` may have to send chunks again.
   */
  async collect(options?: CollectOptions): Promise<CollectReport> {
    const known = ["minAgeMs", "maxWaste", "dryRun", "signal"] as const;
    const { signal, ...rest } = checkedOptions(options, known);
    return stoppable(signal, (stop) => this.#handle.collect(rest, stop));
  }

  /** Checks whether the store is sound, and repairs what it can. Damage is reported, not thrown. */
  async check(options?: CheckOptions): Promise<CheckReport> {
    const { signal, ...rest } = checkedOptions(options, ["readData", "repair", "signal"]);
    return stoppable(signal, (stop) => this.#handle.check(rest, stop));
  }
}

/** Returns the handle of `value` if it is a {@link Store}, from any copy of the package. */
export function storeHandleOf(value: unknown): StoreHandle | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as { [HANDLE]?: StoreHandle })[HANDLE];
}

function addressOf(address: string | URL): string {
  if (typeof address === "string") return address;
  if (Object.prototype.toString.call(address) === "[object URL]") return address.href;
  throw invalidArgument(`address is ${kindOf(address)} (expected a path or a URL)`);
}

/** Yields what `next` pulls, up to `null`; ends the stream when the loop is left. */
async function* pulled<T>(
  stream: Pulled<unknown>,
  next: () => Promise<T | null>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  try {
    for (;;) {
      const item = await orAborted(next(), signal);
      if (item === null) return;
      yield item;
    }
  } finally {
    stream.free();
  }
}

async function stoppable<T>(
  signal: AbortSignal | undefined,
  work: (stop: InstanceType<ReturnType<typeof serverAddon>["Stop"]>) => Promise<T>,
): Promise<T> {
  checkSignal(signal);
  throwIfAborted(signal);
  const stop = new (serverAddon().Stop)();
  const onAbort = () => stop.now();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await asked(() => work(stop));
  } catch (error) {
    throw signal?.aborted ? aborted(signal) : error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function stored({ root, length, committed }: ListedFile): StoredFile {
  const time = new Date(committed).toISOString().replace(/\.\d+/, "");
  return { root, length: length ?? null, committed: time };
}
