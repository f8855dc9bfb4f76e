import { type ByteArray, type Bytes, bytesOf, isBytes, kindOf } from "./bytes.js";
import { type Discarder, discarderFor } from "./discard.js";
import { ChunkerError, counted, invalidArgument } from "./errors.js";
import { filePieces, isFile } from "./file.js";

/**
 * Anything that bytes can be read from, including `File` and Node's streams. A string is a file path and
 * a `URL` a file URL; only Node can read these.
 */
export type ByteSource =
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Bytes
  | string
  | URL;

/** Sources are read and passed on in pieces of at most 1 MiB, the fastest size for reads in a page. */
const PIECE = 1024 * 1024;
/**
 * Bytes after which other tasks of the thread get to run: about 5 ms of hashing. An answer to a request takes several
 * tasks, so longer pieces of work would delay an upload.
 */
const BYTES_PER_TASK = 2 * PIECE;

/** Returns the length of `source` in bytes, if it is known before reading. */
export function lengthOf(source: ByteSource): number | undefined {
  if (isBytes(source)) return bytesOf(source).length;
  return isBlob(source) ? source.size : undefined;
}

/**
 * Yields the bytes of `source` in pieces of at most 1 MiB, each valid until the next is requested. If the
 * consumer stops early, the source is cancelled. Other tasks get to run between pieces, even if the source always
 * has bytes ready.
 *
 * @throws {ChunkerError} `aborted`, `invalid_argument` if the source or a piece of it is not bytes, or
 * `io_error` for a file. Errors of the source pass through.
 */
export function pieces(
  source: ByteSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<ByteArray, void, undefined> {
  if (isFile(source)) return filePieces(source, signal); // pauses by itself
  return pausing(readPieces(source, signal), signal);
}

function readPieces(
  source: Exclude<ByteSource, string | URL>,
  signal: AbortSignal | undefined,
): Iterable<ByteArray> | AsyncIterable<ByteArray> {
  if (isBytes(source)) return memoryPieces(source, signal);
  if (isBlob(source)) {
    return has(source, "stream")
      ? streamPieces(source.stream(), signal, discarderFor(source))
      : slicePieces(source, signal);
  }
  if (isReadableStream(source)) return streamPieces(source, signal);
  if (isAsyncIterable(source)) return iterablePieces(source, signal);
  throw invalidArgument(
    `source is ${kindOf(source)} (expected a Blob, ReadableStream, async iterable or bytes)`,
  );
}

/** Yields `pieces`, and lets other tasks run after every {@link BYTES_PER_TASK}. */
async function* pausing(
  pieces: Iterable<ByteArray> | AsyncIterable<ByteArray>,
  signal: AbortSignal | undefined,
) {
  let taken = 0;
  for await (const piece of pieces) {
    taken += piece.length;
    yield piece;
    if (taken < BYTES_PER_TASK) continue;
    taken = 0;
    await orAborted(nextTask(), signal);
  }
}

function* memoryPieces(data: Bytes, signal: AbortSignal | undefined) {
  for (const piece of slices(data, "data")) {
    throwIfAborted(signal);
    yield piece;
  }
}

async function* streamPieces(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  discarder?: Discarder,
) {
  if (stream.locked) throw invalidArgument("source is a stream that is locked or was already read");
  // Without buffers of our own: Chromium 156 sometimes never settles a read into one from a Blob's stream.
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await orAborted(reader.read(), signal);
      ended = done;
      if (done) return;
      yield* slices(value, "a piece of the source");
      discarder?.discard(value);
    }
  } finally {
    discarder?.close();
    // Not awaited: a source may never finish cancelling, and no one is left to report an error to.
    if (!ended) reader.cancel(signal?.reason).catch(() => {});
    reader.releaseLock();
  }
}

/** Reads a Blob without streams: in jsdom or an old browser. */
async function* slicePieces(blob: Blob, signal: AbortSignal | undefined) {
  for (let start = 0; start < blob.size; start += PIECE) {
    const reader = new FileReader();
    const reading = new Promise<ByteArray>((resolve, reject) => {
      reader.onload = () => resolve(new Uint8Array(reader.result as ArrayBuffer));
      reader.onerror = () => reject(reader.error);
    });
    reader.readAsArrayBuffer(blob.slice(start, start + PIECE));
    yield await orAborted(reading, signal);
  }
}

async function* iterablePieces(source: AsyncIterable<unknown>, signal: AbortSignal | undefined) {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const result = await orAborted(Promise.resolve(iterator.next()), signal);
      if (result.done === true) {
        ended = true;
        return;
      }
      yield* slices(result.value, "a piece of the source");
    }
  } finally {
    if (!ended) cancel(source, iterator);
  }
}

function cancel(source: AsyncIterable<unknown>, iterator: AsyncIterator<unknown>): void {
  // An iterator of a Node stream that is waiting for data cannot return until some arrives.
  if ("destroy" in source && typeof source.destroy === "function") source.destroy();
  Promise.resolve(iterator.return?.()).catch(() => {});
}

/** Yields `data` in slices; checks before each that its length has not changed. */
function* slices(data: unknown, name: string): Generator<ByteArray, void, undefined> {
  if (!isBytes(data)) throw invalidArgument(`${name} is ${kindOf(data)} (expected bytes)`);
  let bytes = bytesOf(data, name);
  const { length } = bytes;
  for (let start = 0; start < length; start += PIECE) {
    if (start > 0) bytes = bytesOf(data, name);
    if (bytes.length !== length)
      throw invalidArgument(`${name} changed its length while it was being read`);
    yield bytes.subarray(start, start + PIECE);
  }
}

/** Settles like `work`, or rejects as soon as `signal` aborts. Leaves no listener behind. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw counted(aborted(signal));
}

/** Returns the error for work that `signal` stopped. */
export function aborted(signal: AbortSignal): ChunkerError {
  return new ChunkerError("aborted", "the operation was aborted by its signal", {
    cause: signal.reason,
  });
}

/** Lets other tasks of the thread run. After `scheduler.yield()`, answers to requests would still wait. */
function nextTask(): Promise<void> {
  const { scheduler, setImmediate } = globalThis as {
    scheduler?: { postTask?(task: () => void): Promise<void> };
    setImmediate?: (task: () => void) => void;
  };
  if (scheduler?.postTask !== undefined) return scheduler.postTask(() => {});
  if (setImmediate !== undefined || globalThis.MessageChannel === undefined)
    return new Promise((resolve) => (setImmediate ?? setTimeout)(resolve));
  // In Safari. The timers of a hidden page may take seconds.
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** Whether `source` is a `Blob` or `File`, from any realm, or a package's own. */
export function isBlob(source: unknown): source is Blob {
  if (!has(source, "slice") || typeof (source as Blob).size !== "number") return false;
  return has(source, "stream") || "FileReader" in globalThis;
}

function isReadableStream(source: ByteSource): source is ReadableStream<Uint8Array> {
  return has(source, "getReader");
}

function isAsyncIterable(source: ByteSource): source is AsyncIterable<Uint8Array> {
  return has(source, Symbol.asyncIterator);
}

function has(value: unknown, method: PropertyKey): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Record<PropertyKey, unknown>)[method] === "function"
  );
}
