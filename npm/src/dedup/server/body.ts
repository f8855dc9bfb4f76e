import type { IncomingMessage } from "node:http";
import type { ByteArray } from "../../bytes.js";
import { type HashAlgorithm, Hasher, toHex } from "../../index.js";
import { Refusal } from "./refusal.js";

/** How long a body may take. */
export interface BodyTimeouts {
  /** Between two pieces, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** From first to last byte, in milliseconds. */
  readonly bodyTimeoutMs: number;
}

/** Returns the announced length of a body. Throws a 411, 413 or 415 {@link Refusal}. */
export function announcedLength(
  request: IncomingMessage,
  maxBytes: number,
  tooLargeCode: string,
): number {
  const { headers } = request;
  const length = headers["content-length"];
  if (headers["transfer-encoding"] !== undefined || length === undefined) {
    throw new Refusal(411, "length_required", "the body needs a Content-Length");
  }
  if (headers["content-encoding"] !== undefined) {
    throw new Refusal(415, "unsupported_media_type", "the body must not have a Content-Encoding");
  }
  // The HTTP parser lets only digits through.
  const bytes = Number(length);
  if (bytes > maxBytes) {
    throw new Refusal(413, tooLargeCode, `the body has ${length} bytes, the limit is ${maxBytes}`);
  }
  return bytes;
}

/**
 * Yields the body in pieces.
 *
 * Throws a 408 {@link Refusal} if it stops coming, and what the stream reports if the sender goes
 * away. The request is left open, so that it can be answered.
 */
export async function* receive(
  request: IncomingMessage,
  { idleTimeoutMs, bodyTimeoutMs }: BodyTimeouts,
): AsyncGenerator<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false });
  let expire: (what: string) => void = () => {};
  const expired = new Promise<never>((_, reject) => {
    expire = (what) => reject(new Refusal(408, "request_timeout", `the body ${what}`));
  });
  expired.catch(() => {});
  const idle = setTimeout(() => expire(`stopped for ${idleTimeoutMs} ms`), idleTimeoutMs);
  const total = setTimeout(() => expire(`took more than ${bodyTimeoutMs} ms`), bodyTimeoutMs);
  let finished = false;
  try {
    for (;;) {
      const piece = await Promise.race([pieces.next(), expired]);
      if (piece.done) break;
      idle.refresh();
      yield piece.value;
    }
    finished = true;
  } finally {
    clearTimeout(idle);
    clearTimeout(total);
    // Without waiting: after a timeout the iterator is still busy with its next piece.
    if (!finished) pieces.return?.().catch(() => {});
  }
}

/** Returns the whole body, whose announced length the caller has limited. */
export async function receiveAll(
  request: IncomingMessage,
  length: number,
  timeouts: BodyTimeouts,
): Promise<ByteArray> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (const piece of receive(request, timeouts)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Yields `pieces` unchanged; throws a 400 {@link Refusal} after the last if the digest is not theirs. */
export async function* verified(
  pieces: AsyncIterable<Uint8Array>,
  hash: HashAlgorithm,
  digest: string,
): AsyncGenerator<Uint8Array> {
  const hasher = new Hasher(hash);
  for await (const piece of pieces) {
    hasher.update(piece);
    yield piece;
  }
  const actual = toHex(hasher.finalize());
  if (actual !== digest) {
    throw new Refusal(400, "digest_mismatch", `the body's ${hash} digest is ${actual}`);
  }
}

/** Returns whether `bytes` have `digest`. */
export function hasDigest(bytes: Uint8Array, hash: HashAlgorithm, digest: string): boolean {
  return toHex(new Hasher(hash).update(bytes).finalize()) === digest;
}
