import type { IncomingMessage, ServerResponse } from "node:http";
import type { HashAlgorithm } from "../../index.js";
import { Budget } from "../budget.js";
import { CHUNK_ENCODINGS, MAX_DIGESTS_PER_QUERY, type MissingAnswer } from "../protocol.js";
import { disposition, drained, sendHead, sendJson } from "./answers.js";
import { announcedLength, hasDigest, receive, receiveAll, verified } from "./body.js";
import { announcedChunk, decoded } from "./encoded.js";
import type { UploadLimits } from "./options.js";
import {
  acceptedManifest,
  chunkName,
  type ManifestContent,
  parseManifest,
  parseQuery,
  rootDigest,
} from "./parse.js";
import { chunkDamaged, chunkNotFound, Refusal, wrongLength } from "./refusal.js";
import type { ChunkStore } from "./store.js";

/** Encoded chunks decompressed at the same time: each may hold a window of 8 MiB. */
const MAX_DECODERS = 4;
/** 10,000 digests of 64 digits, quotes and a comma, and as much again for spaces. */
const MAX_QUERY_BYTES = MAX_DIGESTS_PER_QUERY * 67 * 2;

/** A request that has found its endpoint. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The parts of the path between slashes that the route names. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  /** Asks the sender for the body where it waits for that. */
  readonly proceed: () => void;
}

/** What each path of the protocol does. */
export class Endpoints {
  readonly #store: ChunkStore;
  readonly #limits: UploadLimits;
  readonly #buffered: Budget;
  readonly #served: Budget;
  readonly #decoders = new Budget(MAX_DECODERS);

  constructor(store: ChunkStore, limits: UploadLimits) {
    this.#store = store;
    this.#limits = limits;
    this.#buffered = new Budget(limits.maxBufferedBytes);
    this.#served = new Budget(limits.maxServedBytes);
  }

  async queryMissing({ request, response, proceed }: Call): Promise<void> {
    // A page of another origin can send any other type without being asked for permission.
    if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
      throw new Refusal(415, "unsupported_media_type", "the body must be application/json");
    }
    const length = announcedLength(request, MAX_QUERY_BYTES, "query_too_large");
    await this.#buffering(length, async () => {
      proceed();
      const { hash, digests } = parseQuery(await receiveAll(request, length, this.#limits));
      const lengths = await this.#store.chunkLengths(hash, digests);
      const answer: MissingAnswer = {
        missing: digests.filter((_, index) => lengths[index] === undefined),
        encodings: CHUNK_ENCODINGS,
      };
      sendJson(response, 200, answer);
    });
  }

  async putChunk({ request, response, parts, query, proceed }: Call): Promise<void> {
    const { hash, digest } = chunkName(parts);
    const announced = announcedChunk(request, query, this.#limits.maxChunkBytes);
    const { bodyLength, length, encoding } = announced;
    const [stored] = await this.#store.chunkLengths(hash, [digest]);
    const known = stored === length;
    const take = async (pieces: AsyncIterable<Uint8Array>) => {
      const payload = verified(pieces, hash, digest);
      if (!known) return this.#store.putChunk(hash, digest, payload);
      // Read to its end all the same: the answer must not depend on what others have sent.
      for await (const _ of payload);
    };
    if (encoding === undefined) {
      proceed();
      await take(receive(request, this.#limits));
    } else {
      await this.#buffering(bodyLength, async () => {
        proceed();
        // All of it first, so that no slow sender holds a window.
        const body = await receiveAll(request, bodyLength, this.#limits);
        await this.#decoding(() => take(decoded(body, length)));
      });
    }
    sendJson(response, known ? 200 : 201, { digest, length });
  }

  async putManifest({ request, response, parts, proceed }: Call): Promise<void> {
    const root = rootDigest(parts);
    const { maxManifestBytes } = this.#limits;
    const length = announcedLength(request, maxManifestBytes, "manifest_too_large");
    await this.#buffering(length, async () => {
      proceed();
      const bytes = await receiveAll(request, length, this.#limits);
      const manifest = acceptedManifest(bytes, maxManifestBytes);
      if (!hasDigest(bytes, manifest.hash, root)) {
        throw new Refusal(400, "digest_mismatch", "the manifest has another root digest");
      }
      await this.#checkChunks(manifest);
      // A damaged one is healed by the next commit.
      const stored = await this.#store.getManifest(root);
      const known = stored !== undefined && Buffer.compare(stored, bytes) === 0;
      if (!known) await this.#store.putManifest(root, bytes);
      sendJson(response, known ? 200 : 201, {
        rootDigest: root,
        chunks: manifest.chunks.length,
        totalLength: manifest.totalLength,
      });
    });
  }

  /** Throws unless every chunk is stored with the length that the manifest says. */
  async #checkChunks(manifest: ManifestContent): Promise<void> {
    const lengths = new Map<string, number>();
    for (const { hashHex, length } of manifest.chunks) {
      if ((lengths.get(hashHex) ?? length) !== length) throw wrongLength(hashHex);
      lengths.set(hashHex, length);
    }
    const digests = [...lengths.keys()];
    const stored = await this.#store.chunkLengths(manifest.hash, digests);
    const missing = digests.filter((_, index) => stored[index] === undefined);
    if (missing.length > 0) {
      throw new Refusal(409, "chunks_missing", `${missing.length} chunks are not stored`, {
        missing: missing.slice(0, MAX_DIGESTS_PER_QUERY),
      });
    }
    const wrong = digests.find((digest, index) => stored[index] !== lengths.get(digest));
    if (wrong !== undefined) throw wrongLength(wrong);
  }

  async getChunk({ request, response, parts }: Call): Promise<void> {
    const { hash, digest } = chunkName(parts);
    if (request.method === "HEAD") {
      const [length] = await this.#store.chunkLengths(hash, [digest]);
      if (length === undefined) throw chunkNotFound(digest);
      sendHead(response, length);
      return;
    }
    const payload = await this.#verifiedChunk(hash, digest);
    if (payload === undefined) throw chunkNotFound(digest);
    sendHead(response, payload.length, payload);
  }

  async getManifest({ request, response, parts }: Call): Promise<void> {
    const { bytes } = await this.#storedManifest(rootDigest(parts));
    sendHead(response, bytes.length, request.method === "HEAD" ? undefined : bytes);
  }

  async getFile({ request, response, parts, query }: Call): Promise<void> {
    const { bytes, manifest } = await this.#storedManifest(rootDigest(parts));
    response.setHeader("content-type", "application/octet-stream");
    response.setHeader("content-length", String(manifest.totalLength));
    response.setHeader("content-disposition", disposition(query.get("name")));
    response.setHeader("content-security-policy", "sandbox");
    if (request.method !== "HEAD") {
      // A slow reader holds the manifest for as long as it reads.
      await taking(this.#served, bytes.length, "too many files are read at once", () =>
        this.#sendChunks(response, manifest),
      );
    }
    response.end();
  }

  /** The head goes out with the first chunk: until then damage can be answered with a 500. */
  async #sendChunks(response: ServerResponse, { hash, chunks }: ManifestContent): Promise<void> {
    for (const { hashHex: digest } of chunks) {
      const payload = await this.#verifiedChunk(hash, digest);
      if (payload === undefined) throw chunkDamaged(digest, "is not stored");
      if (response.destroyed) return;
      if (!response.write(payload)) await drained(response, this.#limits.idleTimeoutMs);
    }
  }

  async #storedManifest(root: string): Promise<{ bytes: Uint8Array; manifest: ManifestContent }> {
    const bytes = await this.#store.getManifest(root);
    if (bytes === undefined) {
      throw new Refusal(404, "manifest_not_found", `no manifest ${root} is committed`);
    }
    const damaged = (cause?: unknown) =>
      new Refusal(500, "manifest_damaged", `the stored manifest ${root} is damaged`, { cause });
    try {
      const manifest = parseManifest(bytes, bytes.length);
      if (hasDigest(bytes, manifest.hash, root)) return { bytes, manifest };
    } catch (error) {
      throw damaged(error);
    }
    throw damaged();
  }

  /** Returns a chunk's bytes; sets it aside and throws if they are no longer its own. */
  async #verifiedChunk(hash: HashAlgorithm, digest: string): Promise<Uint8Array | undefined> {
    const payload = await this.#store.getChunk(hash, digest);
    if (payload === undefined || hasDigest(payload, hash, digest)) return payload;
    await this.#store.setAsideChunk(hash, digest);
    throw chunkDamaged(digest, "was damaged in the store and is set aside");
  }

  #buffering(bytes: number, work: () => Promise<void>): Promise<void> {
    return taking(this.#buffered, bytes, "too many bodies are held at once", work);
  }

  async #decoding(work: () => Promise<void>): Promise<void> {
    await this.#decoders.take(1);
    try {
      await work();
    } finally {
      this.#decoders.give(1);
    }
  }
}

/** Does `work` with `bytes` taken from `budget`, if they are free now. */
async function taking(
  budget: Budget,
  bytes: number,
  busy: string,
  work: () => Promise<void>,
): Promise<void> {
  if (!budget.tryTake(bytes)) {
    throw new Refusal(503, "server_busy", busy, { headers: { "retry-after": "1" } });
  }
  try {
    await work();
  } finally {
    budget.give(bytes);
  }
}
