import { invalidArgument } from "../../errors.js";
import { checkedOptions, checkSignal } from "../../options.js";
import { aborted, orAborted, throwIfAborted } from "../../source.js";
import type { ByteRange } from "../download.js";
import type { StoredFile, Usage } from "../transport.js";
import { asked, type ListedFile, type Pulled, type StoreHandle, serverAddon } from "./addon.js";
import type { CheckReport, CollectReport } from "./reports.js";

/** Options of {@link Store.open}. */
export interface StoreOptions {
  /** Whether a store is made where there is none. Default: true. */
  readonly create?: boolean | undefined;
  /** The level of zstd for new chunks: 1 to 22, or 0 to store them as they are. Default: 3. */
  readonly level?: number | undefined;
  /** Bytes after which a pack is written: 1 KiB to 1 GiB. Default: 16 MiB. */
  readonly packSize?: number | undefined;
  /** Requests to a remote store under way for one operation: 1 to 1024. Default: 32. */
  readonly concurrency?: number | undefined;
  /** The folder for the index of this machine; `false` for none. Default: one in the platform's cache. */
  readonly cache?: string | false | undefined;
  /** For how long a list may lack what was written: at most an hour. Only of a new store. Default: 0. */
  readonly listingLagMs?: number | undefined;
  /** Bytes of the longest manifest, 36 for every chunk. Default: 64 MiB. */
  readonly manifestLimit?: number | undefined;
}

/** Options of {@link Store.collect}. */
export interface CollectOptions {
  /** Packs younger than this are left alone. Default: 24 hours. */
  readonly minAgeMs?: number | undefined;
  /** Packs with this percentage of waste are rewritten. Default: 20. */
  readonly maxWaste?: number | undefined;
  /** Only reports what would be done. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Ends the collection: the next one goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Store.check}. */
export interface CheckOptions {
  /** Whether every chunk is read and its digest checked. Default: false. */
  readonly readData?: boolean | undefined;
  /** Whether damaged packs are taken out of use, their good chunks copied before. Default: false. */
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

/** What another copy of this package has for the handle of a store: they share the addon. */
const HANDLE = Symbol.for("chunker-cdc.store");

/**
 * A store of chunks and files, on a disk, on S3, GCS or Azure, or in memory.
 *
 * Any number of processes on any number of machines can use one store at the same time. Errors are a
 * {@link StoreError}; work is done off the event loop.
 */
export class Store {
  readonly #handle: StoreHandle;

  private constructor(handle: StoreHandle) {
    this.#handle = handle;
    Object.defineProperty(this, HANDLE, { value: handle });
  }

  /**
   * Opens the store at an address, and makes it if there is none.
   *
   * @param address A path, or a URL: `file:`, `memory:`, `s3://bucket/prefix`, `gs://…`, `az://container/…`.
   * The last three take credentials and endpoint from the usual environment variables
   * (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …).
   * @throws {StoreError} `not_a_store`, `store_not_found`, `invalid_store_address`, …
   * @throws {ChunkerError} `native_unavailable` where there is no addon; `invalid_argument`.
   */
  static async open(address: string | URL, options?: StoreOptions): Promise<Store> {
    const { cache, ...rest } = checkedOptions(options, OPTIONS);
    const { Store: Native } = serverAddon();
    const native = { ...rest, cache: cache === false ? "" : cache };
    return new Store(await asked(() => Native.open(addressOf(address), native)));
  }

  /** The store's address. */
  get url(): string {
    return this.#handle.url();
  }

  /** Returns how much is in the store. */
  usage(): Promise<Usage> {
    return asked(() => this.#handle.usage());
  }

  /** Yields the files, ordered by root. */
  async *files(): AsyncGenerator<StoredFile, void, undefined> {
    const lists = await asked(() => this.#handle.files());
    for await (const list of pulled(lists, (list) => list.length === 0, undefined)) {
      for (const file of list) yield stored(file);
    }
  }

  /** Takes a file's name away; returns whether it had one. {@link collect} gives the space back. */
  delete(root: string): Promise<boolean> {
    return asked(() => this.#handle.delete(root));
  }

  /**
   * Yields the bytes of a file, each checked before.
   *
   * @throws {StoreError} `root_not_found`, `range_not_satisfiable`, or when stored bytes are damaged.
   */
  async *read(
    root: string,
    options?: ReadFileOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { range = {}, signal } = checkedOptions(options, ["range", "signal"]);
    checkSignal(signal);
    throwIfAborted(signal);
    const pieces = await asked(() => this.#handle.read(root, range.start, range.end));
    yield* pulled(pieces, (piece) => piece === null, signal) as AsyncGenerator<Uint8Array>;
  }

  /**
   * Deletes what no file needs.
   *
   * Harmless at any time and from any process, also when it is killed; committed files can be read all the
   * while. Uploads that take longer than `minAgeMs` may have to send chunks again.
   */
  async collect(options?: CollectOptions): Promise<CollectReport> {
    const known = ["minAgeMs", "maxWaste", "dryRun", "signal"] as const;
    const { signal, ...rest } = checkedOptions(options, known);
    return stoppable(signal, (stop) => this.#handle.collect(rest, stop));
  }

  /** Looks whether the store is sound, and mends what can be mended. Damage is no error, but reported. */
  async check(options?: CheckOptions): Promise<CheckReport> {
    const { signal, ...rest } = checkedOptions(options, ["readData", "repair", "signal"]);
    return stoppable(signal, (stop) => this.#handle.check(rest, stop));
  }
}

/** Returns the handle of `value` if it is a {@link Store}, of whichever copy of the package. */
export function storeHandleOf(value: unknown): StoreHandle | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as { [HANDLE]?: StoreHandle })[HANDLE];
}

function addressOf(address: string | URL): string {
  if (typeof address === "string") return address;
  if (Object.prototype.toString.call(address) === "[object URL]") return address.href;
  throw invalidArgument("the address of a store is neither a path nor a URL");
}

/** Yields what is pulled, up to what `ends`; ends it when the loop is left. */
async function* pulled<T>(
  stream: Pulled<T>,
  ends: (item: T) => boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  try {
    for (;;) {
      const item = await orAborted(
        asked(() => stream.next()),
        signal,
      );
      if (ends(item)) return;
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
