import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { HashAlgorithm } from "../../index.js";
import type { ChunkStore } from "./store.js";

/** `stat` calls in flight for one query. */
const STAT_CONCURRENCY = 64;

/**
 * A {@link ChunkStore} of files named by their digests; `docs/upload-protocol.md` has the layout.
 *
 * A file is written under a temporary name, synced, renamed, and its directory synced. So a name in
 * `chunks/` or `manifests/` always has all of its bytes, whenever the process or the machine stops.
 * One process at a time may use a directory.
 */
export class DiskChunkStore implements ChunkStore {
  readonly #root: string;
  readonly #directories = new Map<string, Promise<void>>();
  readonly #syncs = new Map<string, DirectorySync>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** Opens the store in the directory `root`, creates it if needed, and removes unfinished files. */
  static async open(root: string): Promise<DiskChunkStore> {
    const store = new DiskChunkStore(root);
    for (const part of ["chunks", "manifests", "tmp", "damaged"]) {
      await store.#makeDirectory(join(root, part));
    }
    const temporary = join(root, "tmp");
    for (const name of await readdir(temporary)) {
      await rm(join(temporary, name), { recursive: true, force: true });
    }
    return store;
  }

  async chunkLengths(
    hash: HashAlgorithm,
    digests: readonly string[],
  ): Promise<readonly (number | undefined)[]> {
    const lengths: (number | undefined)[] = [];
    for (let at = 0; at < digests.length; at += STAT_CONCURRENCY) {
      const group = digests.slice(at, at + STAT_CONCURRENCY);
      const found = await Promise.all(
        group.map((digest) => lengthOf(this.#chunkPath(hash, digest))),
      );
      lengths.push(...found);
    }
    return lengths;
  }

  putChunk(hash: HashAlgorithm, digest: string, payload: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#write(this.#chunkPath(hash, digest), payload);
  }

  getChunk(hash: HashAlgorithm, digest: string): Promise<Uint8Array | undefined> {
    return readIfThere(this.#chunkPath(hash, digest));
  }

  async setAsideChunk(hash: HashAlgorithm, digest: string): Promise<void> {
    const path = this.#chunkPath(hash, digest);
    try {
      await rename(path, join(this.#root, "damaged", `${hash}-${digest}-${randomUUID()}`));
    } catch (error) {
      // Two downloads met the same damage.
      if (!isNotFound(error)) throw error;
    }
  }

  getManifest(rootDigest: string): Promise<Uint8Array | undefined> {
    return readIfThere(this.#manifestPath(rootDigest));
  }

  putManifest(rootDigest: string, bytes: Uint8Array): Promise<void> {
    return this.#write(this.#manifestPath(rootDigest), [bytes]);
  }

  #chunkPath(hash: HashAlgorithm, digest: string): string {
    return join(this.#root, "chunks", hash, digest.slice(0, 2), digest);
  }

  #manifestPath(rootDigest: string): string {
    return join(this.#root, "manifests", rootDigest.slice(0, 2), rootDigest);
  }

  async #write(
    path: string,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const temporary = join(this.#root, "tmp", randomUUID());
    const file = await open(temporary, "wx");
    try {
      try {
        for await (const piece of pieces) await writeAll(file, piece);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#makeDirectory(dirname(path));
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await this.#syncDirectory(dirname(path));
  }

  /** Creates a directory below the root, durably, once per process. */
  #makeDirectory(path: string): Promise<void> {
    let made = this.#directories.get(path);
    if (made === undefined) {
      made = this.#makeDirectoryNow(path);
      this.#directories.set(path, made);
      made.catch(() => this.#directories.delete(path));
    }
    return made;
  }

  async #makeDirectoryNow(path: string): Promise<void> {
    if (path.length > this.#root.length) await this.#makeDirectory(dirname(path));
    await mkdir(path, { recursive: true });
    await this.#syncDirectory(dirname(path));
  }

  /** Resolves after a sync of `path` that began after this call; concurrent callers share one. */
  #syncDirectory(path: string): Promise<void> {
    let sync = this.#syncs.get(path);
    if (sync === undefined) {
      sync = new DirectorySync(path);
      this.#syncs.set(path, sync);
    }
    return sync.request();
  }
}

/** Syncs of one directory, joined where they overlap. */
class DirectorySync {
  readonly #path: string;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  request(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        this.#running = syncDirectory(this.#path);
        return this.#running;
      });
    return this.#next;
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows has no directory handles to sync; its journal orders the rename.
  if (process.platform === "win32") return;
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at);
    at += bytesWritten;
  }
}

async function lengthOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
