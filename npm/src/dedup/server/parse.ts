// What requests contain, checked.

import { type Chunk, ChunkerError, type HashAlgorithm, Manifest } from "../../index.js";
import { isDigest, isHashAlgorithm, MAX_DIGESTS_PER_QUERY } from "../protocol.js";
import { Refusal } from "./refusal.js";

export function parseQuery(body: Uint8Array): { hash: HashAlgorithm; digests: string[] } {
  const invalid = (what: string) => new Refusal(400, "invalid_query", what);
  let query: { hash?: unknown; digests?: unknown } | null;
  try {
    query = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw invalid("the body is not JSON");
  }
  const { hash, digests } = query ?? {};
  if (!isHashAlgorithm(hash)) throw unknownHash();
  if (!Array.isArray(digests)) throw invalid("digests must be an array");
  if (digests.length > MAX_DIGESTS_PER_QUERY) {
    throw new Refusal(413, "query_too_large", `at most ${MAX_DIGESTS_PER_QUERY} digests at once`);
  }
  if (!digests.every(isDigest)) throw invalidDigest();
  return { hash, digests: [...new Set(digests)] };
}

export interface ManifestContent {
  readonly hash: HashAlgorithm;
  readonly totalLength: number;
  readonly chunks: readonly Chunk[];
}

/** Takes a manifest out of the WebAssembly module, whose memory no garbage collector watches. */
export function parseManifest(bytes: Uint8Array, maxBytes: number): ManifestContent {
  const manifest = Manifest.parse(bytes, { maxBytes });
  try {
    const { hash, totalLength, chunks } = manifest;
    return { hash, totalLength, chunks };
  } finally {
    manifest[Symbol.dispose]();
  }
}

export function acceptedManifest(bytes: Uint8Array, maxBytes: number): ManifestContent {
  try {
    return parseManifest(bytes, maxBytes);
  } catch (error) {
    if (error instanceof ChunkerError) throw new Refusal(400, error.code, error.message);
    throw error;
  }
}

export function chunkName([hash, digest]: readonly string[]): {
  hash: HashAlgorithm;
  digest: string;
} {
  if (!isHashAlgorithm(hash)) throw unknownHash();
  if (!isDigest(digest)) throw invalidDigest();
  return { hash, digest };
}

export function rootDigest([root]: readonly string[]): string {
  if (!isDigest(root)) throw invalidDigest();
  return root;
}

function unknownHash(): Refusal {
  return new Refusal(400, "unknown_hash_algorithm", "the hash must be sha256 or blake3");
}

function invalidDigest(): Refusal {
  return new Refusal(400, "invalid_digest", "a digest is 64 lowercase hexadecimal digits");
}
