import { ByteQueue } from "../byte-queue.js";
import { type ByteArray, totalLength, whole } from "../bytes.js";
import { countIntact } from "../cutter/digests.js";
import { type Chunk, ChunkerError, type HashAlgorithm } from "../index.js";
import type { Arrival, Pieces } from "./arrivals.js";
import type { Codecs } from "./codecs.js";
import { DedupError } from "./error.js";
import type { Stretch } from "./pack-reader.js";
import type { Row } from "./wire.js";

/** Verified chunks, and what is wrong with the chunk after them, if anything. */
export interface VerifiedStretch extends Arrival {
  /** Their bytes as they were sent. */
  readonly bytesOnWire: number;
  readonly failure: unknown;
}

/** Decodes and verifies a stretch; returns its `chunks` up to the first damaged one. */
export async function verifiedStretch(
  hash: HashAlgorithm,
  { rows, parts }: Stretch,
  chunks: readonly Chunk[],
  codecs: Codecs | undefined,
): Promise<VerifiedStretch> {
  let { pieces, count, failure } = await decoded(rows, parts, chunks, codecs);
  const intact = await countIntact(hash, pieces, chunks.slice(0, count));
  if (intact < count) {
    const message = `the bytes received for chunk ${chunks[intact]?.hashHex} do not match its digest`;
    failure = new ChunkerError("chunk_digest_mismatch", message);
    count = intact;
    pieces = new ByteQueue(pieces).take(totalLength(chunks.slice(0, count)));
  }
  let bytesOnWire = 0;
  for (const { encodedLength } of rows.slice(0, count)) bytesOnWire += encodedLength;
  return { chunks: chunks.slice(0, count), pieces, bytesOnWire, failure };
}

/** Returns the decoded chunks of a stretch up to the first that cannot be decoded, and the reason. */
async function decoded(
  rows: readonly Row[],
  parts: Pieces,
  chunks: readonly Chunk[],
  codecs: Codecs | undefined,
): Promise<{ pieces: Pieces; count: number; failure: unknown }> {
  const isPlain = rows.every(({ length, encodedLength }) => length > 0 && length === encodedLength);
  if (isPlain) return { pieces: parts, count: rows.length, failure: undefined };
  const queue = new ByteQueue(parts);
  const pieces: ByteArray[] = [];
  let count = 0;
  try {
    for (const { length, encodedLength } of rows) {
      const encoded = queue.take(encodedLength);
      if (encodedLength > 0 && encodedLength === length) pieces.push(...encoded);
      else pieces.push(await decompressed(whole(encoded), chunks[count] as Chunk, codecs));
      count += 1;
    }
    return { pieces, count, failure: undefined };
  } catch (failure) {
    return { pieces, count, failure };
  }
}

async function decompressed(
  encoded: ByteArray,
  { hashHex, length }: Chunk,
  codecs: Codecs | undefined,
): Promise<ByteArray> {
  if (encoded.length === 0) {
    throw new DedupError("chunk_not_found", `the server does not have chunk ${hashHex}`);
  }
  if (codecs === undefined) {
    throw new DedupError(
      "protocol_error",
      "the server sent a compressed chunk, but none was requested",
    );
  }
  const payload = await codecs.decompress("zstd", encoded, { maxOutput: length });
  if (payload.length !== length) {
    const message = `chunk ${hashHex} has ${payload.length} bytes (expected ${length})`;
    throw new ChunkerError("chunk_length_mismatch", message);
  }
  return payload as ByteArray;
}
