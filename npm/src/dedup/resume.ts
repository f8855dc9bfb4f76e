// What survives a reload: which chunks of a file are on the server, in order from its start.

import { fromHex, toHex } from "../index.js";

/** A chunk that the server has confirmed. */
export interface ConfirmedChunk {
  /** 64 lowercase hexadecimal digits. */
  readonly digest: string;
  /** In bytes. */
  readonly length: number;
}

/**
 * Remembers, per upload, the confirmed chunks from the start of the file.
 *
 * Only a gapless prefix is ever recorded. Its end is a cut, and chunking may restart at any cut, so
 * the prefix is all that an interrupted upload needs.
 */
export interface ResumeStore {
  /** Returns the recorded chunks of `key`, in order; empty if there are none. */
  load(key: string): Promise<ConfirmedChunk[]>;
  /** Records `chunks` as number `firstIndex` and following of `key`, replacing what is from there on. */
  append(key: string, firstIndex: number, chunks: readonly ConfirmedChunk[]): Promise<void>;
  /** Forgets `key`. */
  delete(key: string): Promise<void>;
}

/** Keeps the record in memory: resumes after a failure or an abort, not after a reload. */
export class MemoryResumeStore implements ResumeStore {
  readonly #records = new Map<string, ConfirmedChunk[]>();

  async load(key: string): Promise<ConfirmedChunk[]> {
    return [...(this.#records.get(key) ?? [])];
  }

  async append(key: string, firstIndex: number, chunks: readonly ConfirmedChunk[]): Promise<void> {
    const record = this.#records.get(key) ?? [];
    record.length = Math.min(record.length, firstIndex);
    record.push(...chunks);
    this.#records.set(key, record);
  }

  async delete(key: string): Promise<void> {
    this.#records.delete(key);
  }
}

/** Where {@link IndexedDbResumeStore} keeps its records. */
export interface IndexedDbResumeStoreOptions {
  /** The database's name. Default `chunker-dedup`. */
  readonly databaseName?: string | undefined;
  /** Records untouched for longer are removed when the store is opened, in days. Default 30. */
  readonly maxAgeDays?: number | undefined;
}

/** One appended piece: `chunks` packed as 32 bytes of digest and 4 bytes of length each. */
interface Segment {
  readonly key: string;
  readonly firstIndex: number;
  readonly writtenAt: number;
  readonly chunks: Uint8Array;
}

const SEGMENTS = "segments";
const BY_AGE = "writtenAt";
const PACKED_BYTES = 36;
const DAY_MS = 86_400_000;

/** Keeps the record in IndexedDB: resumes after a reload or a crash of the page. */
export class IndexedDbResumeStore implements ResumeStore {
  readonly #name: string;
  readonly #maxAgeMs: number;
  #database: Promise<IDBDatabase> | undefined;

  constructor(options: IndexedDbResumeStoreOptions = {}) {
    this.#name = options.databaseName ?? "chunker-dedup";
    this.#maxAgeMs = (options.maxAgeDays ?? 30) * DAY_MS;
  }

  async load(key: string): Promise<ConfirmedChunk[]> {
    const store = await this.#segments("readonly");
    const segments: Segment[] = await settled(store.getAll(from(key, 0)));
    const chunks: ConfirmedChunk[] = [];
    for (const segment of segments) {
      if (segment.firstIndex > chunks.length) break;
      chunks.length = segment.firstIndex;
      for (const chunk of unpack(segment.chunks)) chunks.push(chunk);
    }
    return chunks;
  }

  async append(key: string, firstIndex: number, chunks: readonly ConfirmedChunk[]): Promise<void> {
    const store = await this.#segments("readwrite");
    const segment: Segment = { key, firstIndex, writtenAt: Date.now(), chunks: pack(chunks) };
    store.delete(from(key, firstIndex));
    await settled(store.put(segment));
  }

  async delete(key: string): Promise<void> {
    const store = await this.#segments("readwrite");
    await settled(store.delete(from(key, 0)));
  }

  /** Closes the database; the next call opens it again. */
  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    (await database)?.close();
  }

  async #segments(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    this.#database ??= this.#open();
    const database = await this.#database;
    return database.transaction(SEGMENTS, mode).objectStore(SEGMENTS);
  }

  async #open(): Promise<IDBDatabase> {
    const request = indexedDB.open(this.#name, 1);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(SEGMENTS, { keyPath: ["key", "firstIndex"] });
      store.createIndex(BY_AGE, BY_AGE);
    };
    const database = await settled(request);
    const forget = () => {
      database.close();
      this.#database = undefined;
    };
    // Another tab wants to upgrade or delete the database, or the browser closed it.
    database.onversionchange = forget;
    database.onclose = forget;
    await this.#removeOld(database);
    return database;
  }

  #removeOld(database: IDBDatabase): Promise<void> {
    const store = database.transaction(SEGMENTS, "readwrite").objectStore(SEGMENTS);
    const old = store.index(BY_AGE).openCursor(IDBKeyRange.upperBound(Date.now() - this.#maxAgeMs));
    return new Promise((resolve, reject) => {
      old.onerror = () => reject(old.error);
      old.onsuccess = () => {
        const cursor = old.result;
        if (cursor === null) return resolve();
        cursor.delete();
        cursor.continue();
      };
    });
  }
}

/** All segments of `key` from `firstIndex` on: an array sorts after every number. */
function from(key: string, firstIndex: number): IDBKeyRange {
  return IDBKeyRange.bound([key, firstIndex], [key, []]);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function pack(chunks: readonly ConfirmedChunk[]): Uint8Array {
  const bytes = new Uint8Array(chunks.length * PACKED_BYTES);
  const view = new DataView(bytes.buffer);
  chunks.forEach(({ digest, length }, index) => {
    bytes.set(fromHex(digest), index * PACKED_BYTES);
    view.setUint32(index * PACKED_BYTES + 32, length);
  });
  return bytes;
}

function unpack(bytes: Uint8Array): ConfirmedChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: ConfirmedChunk[] = [];
  for (let at = 0; at + PACKED_BYTES <= bytes.length; at += PACKED_BYTES) {
    chunks.push({
      digest: toHex(bytes.subarray(at, at + 32)),
      length: view.getUint32(at + 32),
    });
  }
  return chunks;
}
