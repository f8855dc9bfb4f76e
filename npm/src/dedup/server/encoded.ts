// Chunks that arrive compressed: what their address announces, and their content within it.

import type { IncomingMessage } from "node:http";
import type { ByteArray } from "../../bytes.js";
import { decompressor, slicesOf } from "../../codecs/decompressor.js";
import { ready } from "../../codecs/index.node.js";
import { calling } from "../../errors.js";
import { ChunkerError } from "../../index.js";
import { type ChunkEncoding, isChunkEncoding } from "../protocol.js";
import { announcedLength } from "./body.js";
import { Refusal } from "./refusal.js";

/** 8 MiB, as RFC 9659. */
const MAX_WINDOW_LOG = 23;

/** What the head of a chunk's request says. */
export interface AnnouncedChunk {
  /** Bytes of the body. */
  readonly bodyLength: number;
  /** Bytes of the chunk. */
  readonly length: number;
  /** `undefined`: the body is the chunk. */
  readonly encoding: ChunkEncoding | undefined;
}

/** Returns what is announced. Throws a 400, 411, 413 or 415 {@link Refusal}. */
export function announcedChunk(
  request: IncomingMessage,
  query: URLSearchParams,
  maxBytes: number,
): AnnouncedChunk {
  const bodyLength = announcedLength(request, maxBytes, "chunk_too_large");
  const encodings = query.getAll("encoding");
  const [encoding] = encodings;
  if (encoding === undefined) {
    if (bodyLength === 0) throw emptyChunk();
    return { bodyLength, length: bodyLength, encoding: undefined };
  }
  if (encodings.length > 1 || !isChunkEncoding(encoding)) {
    throw new Refusal(415, "unsupported_encoding", "the only encoding of a chunk is zstd");
  }
  const length = ownLength(query.getAll("length"));
  if (length === 0 || bodyLength === 0) throw emptyChunk();
  if (length > maxBytes) {
    const message = `the chunk has ${length} bytes, the limit is ${maxBytes}`;
    throw new Refusal(413, "chunk_too_large", message);
  }
  if (bodyLength >= length) {
    throw invalidLength(`the body has ${bodyLength} bytes, no fewer than the ${length} it encodes`);
  }
  return { bodyLength, length, encoding };
}

/**
 * Yields the content of a zstd `body`.
 *
 * Throws a 400 {@link Refusal}, with the library's code where it has one, if the content has not
 * exactly `length` bytes or needs more than a window of 8 MiB; yields at most `length` bytes before.
 */
export async function* decoded(body: ByteArray, length: number): AsyncGenerator<Uint8Array> {
  await ready();
  const handle = decompressor("zstd", { maxOutput: length, maxWindowLog: MAX_WINDOW_LOG });
  let decodedBytes = 0;
  function* blocks(): Generator<Uint8Array> {
    for (;;) {
      const block = accepted(() => handle.read());
      if (block === undefined) return;
      decodedBytes += block.length;
      yield block;
    }
  }
  try {
    for (const slice of slicesOf(body)) {
      handle.push(slice);
      yield* blocks();
    }
    handle.finish();
    yield* blocks();
  } finally {
    handle.free();
  }
  if (decodedBytes !== length) {
    const message = `the content has ${decodedBytes} bytes, not the ${length} announced`;
    throw new Refusal(400, "chunk_length_mismatch", message);
  }
}

/** Returns what `read` returns; what the library finds wrong with the body is its sender's fault. */
function accepted<T>(read: () => T): T {
  try {
    return calling(read);
  } catch (error) {
    if (error instanceof ChunkerError && error.code !== "memory_limit_exceeded") {
      throw new Refusal(400, error.code, error.message);
    }
    throw error;
  }
}

function ownLength(values: readonly string[]): number {
  const [value = ""] = values;
  if (values.length !== 1 || !/^(0|[1-9]\d{0,15})$/.test(value)) {
    throw invalidLength("the length of an encoded chunk must be given once, in decimal digits");
  }
  return Number(value);
}

function emptyChunk(): Refusal {
  return new Refusal(400, "empty_chunk", "a chunk has at least one byte");
}

function invalidLength(message: string): Refusal {
  return new Refusal(400, "invalid_length", message);
}
