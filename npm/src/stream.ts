import { type ByteArray, type Bytes, bytesOf, isBytes } from "./bytes.js";
import type { Chunk } from "./chunk.js";
import { counted } from "./errors.js";
import { isFile } from "./file.js";
import { Finder } from "./finder.js";
import { countChunks, handedOut } from "./metrics.js";
import { addon, sharedThreads } from "./native.js";
import {
  CHUNKER_KEYS,
  type ChunkerOptions,
  checkedOptions,
  checkedReadOptions,
  type ReadOptions,
} from "./options.js";
import { Piping } from "./piping.js";
import { resolveProfile } from "./profile.js";
import { ready } from "./ready.js";
import { type ByteSource, lengthOf, pieces, throwIfAborted } from "./source.js";

/** A chunk and its bytes. */
export interface ChunkWithPayload {
  chunk: Chunk;
  payload: ByteArray;
}

/**
 * Returns the chunks of `data`; in Node, this may also be the path or `URL` of a file. Do not change the
 * data meanwhile: other tasks of the thread get to run.
 *
 * @throws {ChunkerError} As {@link chunks}.
 */
export async function chunk(data: Bytes | string | URL, options?: ReadOptions): Promise<Chunk[]> {
  const all: Chunk[] = [];
  for await (const group of chunkGroups(data, options)) {
    for (const chunk of group) all.push(chunk);
  }
  return all;
}

/**
 * Yields the chunks of `source` in order, while it is being read. Keeps one read in memory. In pages it
 * also keeps the bytes since the last cut, if `crypto.subtle` hashes them and chunks are at most 16 MiB.
 *
 * In Node, the native addon works on its own threads for files given by path and for data above 1 MiB,
 * which it copies. It hashes on up to 4 cores and runs at most 64 MiB ahead of the loop.
 *
 * ```ts
 * for await (const chunk of chunks(file)) console.log(chunk.offset, chunk.length, chunk.hashHex);
 * ```
 *
 * @throws {ChunkerError} `invalid_argument`, `aborted`, `io_error` for a file given by path, or as
 * {@link profile}. Errors of the source pass through. Leaving the loop cancels the source.
 */
export async function* chunks(
  source: ByteSource,
  options?: ReadOptions,
): AsyncGenerator<Chunk, void, undefined> {
  for await (const group of chunkGroups(source, options)) {
    for (const chunk of group) yield chunk;
  }
}

/** Like {@link chunks}, but yields the chunks in groups, each as soon as it is found. */
export async function* chunkGroups(
  source: ByteSource,
  options?: ReadOptions,
): AsyncGenerator<Iterable<Chunk>, void, undefined> {
  for await (const { found, hash } of finding(source, options)) yield handedOut(hash, found);
}

/**
 * Yields the chunks of `source` with their bytes, in order. Keeps the bytes since the last cut: at most
 * `maxSize` plus one read. The caller owns the payloads.
 *
 * @throws {ChunkerError} As {@link chunks}.
 */
export async function* chunksWithPayload(
  source: ByteSource,
  options?: ReadOptions,
): AsyncGenerator<ChunkWithPayload, void, undefined> {
  let kept = new Uint8Array(0);
  let end = 0;
  for await (const { piece, found, hash } of reading(source, options)) {
    if (end + piece.length > kept.length) {
      const larger = new Uint8Array(Math.max(end + piece.length, 2 * kept.length));
      larger.set(kept.subarray(0, end));
      kept = larger;
    }
    kept.set(piece, end);
    end += piece.length;
    let start = 0;
    for (const chunk of handedOut(hash, found)) {
      const payload = kept.slice(start, start + chunk.length);
      start += chunk.length;
      yield { chunk, payload };
    }
    kept.copyWithin(0, start, end);
    end -= start;
  }
}

/** Bytes not worth copying to another thread: about 1 ms of work. */
const SHORT = 1024 * 1024;

/** Yields chunks as they are found: on the addon's threads, if there are any and they pay off. */
async function* finding(source: ByteSource, options: ReadOptions | undefined) {
  const native = addon();
  const isForThreads = isFile(source) || (isBytes(source) && bytesOf(source).length > SHORT);
  if (native === undefined || !isForThreads) {
    yield* reading(source, options);
    return;
  }
  const { profile, offset, ...sourceOptions } = checkedReadOptions(options);
  const { id, hash } = resolveProfile(profile);
  try {
    const threads = sharedThreads(native);
    const piping = new Piping(native, threads, source, id, offset, sourceOptions);
    for await (const found of piping.chunks()) yield { found, hash };
  } catch (error) {
    throw counted(error);
  }
}

/** Yields each piece of the source with the chunks that end in it, and finally the last chunk. */
async function* reading(source: ByteSource, options: ReadOptions | undefined) {
  const { signal, onProgress, ...chunkerOptions } = checkedReadOptions(options);
  throwIfAborted(signal);
  await ready();
  const finder = new Finder(chunkerOptions);
  const { hash } = finder;
  try {
    const total = lengthOf(source);
    let bytesRead = 0;
    for await (const piece of pieces(source, signal)) {
      const found = await finder.feed(piece);
      bytesRead += piece.length;
      onProgress?.(total === undefined ? { bytesRead } : { bytesRead, totalBytes: total });
      yield { piece, found, hash };
      throwIfAborted(signal);
    }
    yield { piece: new Uint8Array(0), found: await finder.finish(), hash };
  } catch (error) {
    throw counted(error);
  } finally {
    finder.release();
  }
}

/**
 * Transforms a stream of bytes into one of chunks.
 *
 * ```ts
 * for await (const chunk of response.body.pipeThrough(new ChunkTransform())) console.log(chunk);
 * ```
 *
 * Unknown options throw at once; all other errors, as of {@link chunks}, fail the stream.
 */
export class ChunkTransform extends TransformStream<Uint8Array, Chunk> {
  constructor(options?: ChunkerOptions) {
    const checked = checkedOptions(options, CHUNKER_KEYS);
    let finder: Finder;
    const enqueue = (found: Chunk[], controller: TransformStreamDefaultController<Chunk>) => {
      for (const chunk of countChunks(finder.hash, found)) controller.enqueue(chunk);
    };
    super({
      async start() {
        await ready();
        finder = new Finder(checked);
      },
      async transform(piece, controller) {
        enqueue(await finder.feed(bytesOf(piece, "piece")), controller);
      },
      async flush(controller) {
        enqueue(await finder.finish(), controller);
        finder.release();
      },
    });
  }
}
