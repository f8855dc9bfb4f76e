import { type ByteArray, type Bytes, bytesOf, isBytes, kindOf } from "./bytes.js";
import { ChunkerError, counted, invalidArgument } from "./errors.js";
import { filePieces, isFile } from "./file.js";

/**
 * What bytes can be read from: `File` and Node's streams included. A string is the path of a file, which
 * only Node reads, and a `URL` is that of one.
 */
export type ByteSource =
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Bytes
  | string
  | URL;

/** Sources are read, and given on, in pieces of at most 1 MiB: the fastest for the reads of a page. */
const PIECE = 1024 * 1024;
/** Pieces of memory between two pauses: about 20 ms, in which a page stays responsive, if they are hashed. */
const PIECES_PER_TASK = 8;

/** Returns the length of `source` in bytes if it is known before reading, which checks the source. */
export function lengthOf(source: ByteSource): number | undefined {
  if (isBytes(source)) return source.byteLength;
  return isBlob(source) ? source.size : undefined;
}

/**
 * Yields the bytes of `source` in pieces of at most 1 MiB. A piece is valid until the next is asked
 * for. When the consumer stops early, the source is cancelled.
 *
 * @param piecesPerTask Pieces of memory after which other tasks of the thread run.
 * @throws {ChunkerError} `aborted`, or `invalid_argument` when the source or a piece of it is not
 * bytes, or `io_error` of a file. Errors of the source pass through.
 */
export function pieces(
  source: ByteSource,
  signal: AbortSignal | undefined,
  piecesPerTask = PIECES_PER_TASK,
): AsyncGenerator<ByteArray, void, undefined> {
  if (isBytes(source)) return memoryPieces(source, signal, piecesPerTask);
  if (isFile(source)) return filePieces(source, signal);
  if (isBlob(source)) {
    return has(source, "stream")
      ? streamPieces(source.stream(), signal)
      : slicePieces(source, signal);
  }
  if (isReadableStream(source)) return streamPieces(source, signal);
  if (isAsyncIterable(source)) return iterablePieces(source, signal);
  throw invalidArgument(
    `source is not a Blob, ReadableStream, async iterable or bytes, but ${kindOf(source)}`,
  );
}

async function* memoryPieces(data: Bytes, signal: AbortSignal | undefined, piecesPerTask: number) {
  let count = 0;
  for (const piece of slices(data, "data")) {
    throwIfAborted(signal);
    yield piece;
    count++;
    if (count % piecesPerTask === 0) await nextTask();
  }
}

async function* streamPieces(stream: ReadableStream<Uint8Array>, signal: AbortSignal | undefined) {
  if (stream.locked) throw invalidArgument("source is a stream that is locked or already read");
  const { read, reader } = pieceReader(stream);
  let ended = false;
  try {
    for (;;) {
      const piece = await orAborted(read(), signal);
      if (piece === undefined) {
        ended = true;
        return;
      }
      yield* slices(piece, "a piece of the source");
    }
  } finally {
    // Not awaited: a source may take for ever to cancel. It has no one left to tell of an error.
    if (!ended) reader.cancel(signal?.reason).catch(() => {});
    reader.releaseLock();
  }
}

/** Reads a Blob of jsdom, or of an old browser, which has no streams. */
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

/** Reads into one buffer again and again where the stream allows it, or takes what it gives. */
function pieceReader(stream: ReadableStream<Uint8Array>) {
  let byob: ReadableStreamBYOBReader;
  try {
    byob = stream.getReader({ mode: "byob" });
  } catch {
    const reader = stream.getReader();
    const read = async () => (await reader.read()).value;
    return { reader, read };
  }
  let buffer = new ArrayBuffer(PIECE);
  const read = async () => {
    const { done, value } = await byob.read(new Uint8Array(buffer));
    if (done || value === undefined) return undefined;
    buffer = value.buffer;
    return value;
  };
  return { reader: byob, read };
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
  // An iterator of a Node stream that waits for data cannot return before it comes.
  if ("destroy" in source && typeof source.destroy === "function") source.destroy();
  Promise.resolve(iterator.return?.()).catch(() => {});
}

/** Yields `data` in slices, and checks before each that no one has changed its length. */
function* slices(data: unknown, name: string): Generator<ByteArray, void, undefined> {
  if (!isBytes(data)) throw invalidArgument(`${name} is ${kindOf(data)}, not bytes`);
  let bytes = bytesOf(data, name);
  const { length } = bytes;
  for (let start = 0; start < length; start += PIECE) {
    if (start > 0) bytes = bytesOf(data, name);
    if (bytes.length !== length)
      throw invalidArgument(`${name} changed its length while it was being read`);
    yield bytes.subarray(start, start + PIECE);
  }
}

/** Settles as `work` does, or rejects as soon as `signal` is aborted. Leaves no listener behind. */
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

/** The error of what `signal` has stopped. */
export function aborted(signal: AbortSignal): ChunkerError {
  return new ChunkerError("aborted", "aborted by its signal", { cause: signal.reason });
}

/** Lets other tasks of the thread run. */
function nextTask(): Promise<void> {
  const { scheduler, setImmediate } = globalThis as {
    scheduler?: { yield?(): Promise<void> };
    setImmediate?: (task: () => void) => void;
  };
  if (scheduler?.yield !== undefined) return scheduler.yield();
  return new Promise((resolve) => (setImmediate ?? setTimeout)(resolve));
}

/** Whether `source` is a `Blob` or `File`: of any realm, or of a package that has its own. */
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
