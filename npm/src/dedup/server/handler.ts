import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";
import { type Chunk, ChunkerError, type HashAlgorithm, Manifest } from "../../index.js";
import { Budget } from "../budget.js";
import {
  CHUNK_ENCODINGS,
  isDigest,
  isHashAlgorithm,
  MAX_DIGESTS_PER_QUERY,
  type MissingAnswer,
} from "../protocol.js";
import { announcedLength, hasDigest, receive, receiveAll, verified } from "./body.js";
import { announcedChunk, decoded } from "./encoded.js";
import { Refusal } from "./refusal.js";
import type { ChunkStore } from "./store.js";

/** What one request may cost. */
export interface UploadLimits {
  /** The largest chunk, in bytes. Default 16 MiB. */
  readonly maxChunkBytes: number;
  /** The largest manifest, in bytes. Default 16 MiB: about 466,000 chunks. */
  readonly maxManifestBytes: number;
  /** Manifests, queries and encoded chunks in memory at the same time, in bytes. Default 64 MiB. */
  readonly maxBufferedBytes: number;
  /** How long a body, or the reader of an answer, may pause, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs: number;
  /** How long a whole body may take, in milliseconds. Default 300,000. */
  readonly bodyTimeoutMs: number;
}

/** Which pages of other origins may use the server. */
export interface CorsOptions {
  /** Origins such as `https://example.org`, or `*` for all. */
  readonly origins: readonly string[] | "*";
  /** Request headers besides `content-type`, for example `authorization`. */
  readonly headers?: readonly string[];
}

/** How the receiving side works. */
export interface UploadHandlerOptions {
  /** Where chunks and manifests are kept. */
  readonly store: ChunkStore;
  readonly limits?: Partial<UploadLimits>;
  /** Default: pages of the server's own origin only. */
  readonly cors?: CorsOptions;
  /** Told of every failure that is not the sender's: what was answered with a 5xx. */
  readonly onError?: (error: unknown, request: IncomingMessage) => void;
}

/** Answers one request; resolves when the answer is finished, and never rejects. */
export type UploadHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const DEFAULT_LIMITS: UploadLimits = {
  maxChunkBytes: 16 * 1024 * 1024,
  maxManifestBytes: 16 * 1024 * 1024,
  maxBufferedBytes: 64 * 1024 * 1024,
  idleTimeoutMs: 30_000,
  bodyTimeoutMs: 300_000,
};
/** Encoded chunks decompressed at the same time: each may hold a window of 8 MiB. */
const MAX_DECODERS = 4;
/** 10,000 digests of 64 digits, quotes and a comma, and as much again for spaces. */
const MAX_QUERY_BYTES = MAX_DIGESTS_PER_QUERY * 67 * 2;
/** A refused body up to this length is read to its end, so that the connection can be kept. */
const MAX_DRAINED_BYTES = 1024 * 1024;
/** How long a connection stays open for a refused body, so that the sender can read the answer. */
const LINGER_MS = 2_000;

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The parts of the path between slashes that the route names. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  /** Asks the sender for the body where it waits for that. */
  readonly proceed: () => void;
}

interface Route {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, (call: Call) => Promise<void>>>;
}

/**
 * Returns a handler of the upload protocol for `node:http`.
 *
 * It answers every request it is given, unknown paths with 404. It has no notion of users: call it
 * only for requests that may read and write the whole store, for whoever can ask which chunks are
 * missing can learn which contents are stored.
 */
export function createUploadHandler(options: UploadHandlerOptions): UploadHandler {
  const server = new UploadServer(options);
  return (request, response) => server.answer(request, response, () => {});
}

/**
 * Returns a server that speaks only the upload protocol, with the timeouts it should have.
 *
 * Besides what the handler does it refuses a body before it is sent (`Expect: 100-continue`) and
 * answers malformed HTTP in the protocol's form.
 */
export function createUploadServer(options: UploadHandlerOptions): Server {
  const upload = new UploadServer(options);
  const server = createServer({
    headersTimeout: 20_000,
    requestTimeout: upload.limits.bodyTimeoutMs + 30_000,
    keepAliveTimeout: 10_000,
    connectionsCheckingInterval: 5_000,
  });
  const answering = new Map<Duplex, ServerResponse>();
  const answer = (request: IncomingMessage, response: ServerResponse, proceed: () => void) => {
    const { socket } = request;
    answering.set(socket, response);
    response.once("close", () => answering.delete(socket));
    void upload.answer(request, response, proceed);
  };
  server.on("request", (request, response) => answer(request, response, () => {}));
  server.on("checkContinue", (request, response) => {
    answer(request, response, () => response.writeContinue());
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const response = answering.get(socket);
    if (response === undefined) answerMalformed(error, socket);
    // The sender went away in mid-body.
    else if (!response.req.complete) socket.destroy();
    // What follows a good request is malformed: that one is still answered, and no other.
    else response.shouldKeepAlive = false;
  });
  return server;
}

class UploadServer {
  readonly limits: UploadLimits;
  readonly #store: ChunkStore;
  readonly #cors: CorsOptions | undefined;
  readonly #onError: (error: unknown, request: IncomingMessage) => void;
  readonly #buffered: Budget;
  readonly #decoders = new Budget(MAX_DECODERS);
  readonly #routes: readonly Route[];

  constructor({ store, limits, cors, onError }: UploadHandlerOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.#store = store;
    this.#cors = cors;
    this.#onError = onError ?? (() => {});
    this.#buffered = new Budget(this.limits.maxBufferedBytes);
    this.#routes = [
      {
        path: /^\/v1\/chunks\/missing$/,
        methods: { POST: (call) => this.#queryMissing(call) },
      },
      {
        path: /^\/v1\/chunks\/([^/]+)\/([^/]+)$/,
        methods: { GET: (call) => this.#getChunk(call), PUT: (call) => this.#putChunk(call) },
      },
      {
        path: /^\/v1\/manifests\/([^/]+)$/,
        methods: { GET: (call) => this.#getManifest(call), PUT: (call) => this.#putManifest(call) },
      },
      {
        path: /^\/v1\/files\/([^/]+)$/,
        methods: { GET: (call) => this.#getFile(call) },
      },
    ];
  }

  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    proceed: () => void,
  ): Promise<void> {
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    try {
      this.#allowOrigin(request, response);
      await this.#route(request, response, proceed);
    } catch (error) {
      await this.#refuse(request, response, error).catch(() => request.destroy());
    }
  }

  async #route(
    request: IncomingMessage,
    response: ServerResponse,
    proceed: () => void,
  ): Promise<void> {
    // Matched as it came, undecoded and unnormalized: a path with dots or escapes is no route.
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    for (const route of this.#routes) {
      const match = route.path.exec(path);
      if (match === null) continue;
      const names = Object.keys(route.methods);
      const allow = [...names, ...(names.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
      const method = request.method ?? "";
      if (method === "OPTIONS") return this.#options(request, response, allow);
      const answer = route.methods[method === "HEAD" ? "GET" : method];
      if (answer === undefined) {
        throw new Refusal(405, "method_not_allowed", `${method} is not possible here`, {
          headers: { allow },
        });
      }
      return answer({
        request,
        response,
        parts: match.slice(1),
        query: new URLSearchParams(query),
        proceed,
      });
    }
    throw new Refusal(404, "not_found", "there is nothing at this address");
  }

  #allowOrigin(request: IncomingMessage, response: ServerResponse): void {
    if (this.#cors === undefined) return;
    const { origins } = this.#cors;
    const { origin } = request.headers;
    if (origins === "*") {
      response.setHeader("access-control-allow-origin", "*");
    } else {
      response.setHeader("vary", "origin");
      if (origin === undefined || !origins.includes(origin)) return;
      response.setHeader("access-control-allow-origin", origin);
    }
    response.setHeader("access-control-expose-headers", "retry-after");
  }

  #options(request: IncomingMessage, response: ServerResponse, allow: string): void {
    response.setHeader("allow", allow);
    if (this.#cors !== undefined && request.headers["access-control-request-method"]) {
      const headers = ["content-type", ...(this.#cors.headers ?? [])];
      response.setHeader("access-control-allow-methods", allow);
      response.setHeader("access-control-allow-headers", headers.join(", "));
      response.setHeader("access-control-max-age", "600");
    }
    response.writeHead(204).end();
  }

  async #queryMissing({ request, response, proceed }: Call): Promise<void> {
    // A page of another origin can send any other type without being asked for permission.
    if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
      throw new Refusal(415, "unsupported_media_type", "the body must be application/json");
    }
    const length = announcedLength(request, MAX_QUERY_BYTES, "query_too_large");
    await this.#buffering(length, async () => {
      proceed();
      const { hash, digests } = parseQuery(await receiveAll(request, length, this.limits));
      const lengths = await this.#store.chunkLengths(hash, digests);
      const answer: MissingAnswer = {
        missing: digests.filter((_, index) => lengths[index] === undefined),
        encodings: CHUNK_ENCODINGS,
      };
      sendJson(response, 200, answer);
    });
  }

  async #putChunk({ request, response, parts, query, proceed }: Call): Promise<void> {
    const { hash, digest } = chunkName(parts);
    const announced = announcedChunk(request, query, this.limits.maxChunkBytes);
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
      await take(receive(request, this.limits));
    } else {
      await this.#buffering(bodyLength, async () => {
        proceed();
        // All of it first, so that no slow sender holds a window.
        const body = await receiveAll(request, bodyLength, this.limits);
        await this.#decoding(() => take(decoded(body, length)));
      });
    }
    sendJson(response, known ? 200 : 201, { digest, length });
  }

  async #putManifest({ request, response, parts, proceed }: Call): Promise<void> {
    const root = rootDigest(parts);
    const { maxManifestBytes } = this.limits;
    const length = announcedLength(request, maxManifestBytes, "manifest_too_large");
    await this.#buffering(length, async () => {
      proceed();
      const bytes = await receiveAll(request, length, this.limits);
      const manifest = acceptedManifest(bytes, maxManifestBytes);
      if (!hasDigest(bytes, manifest.hash, root)) {
        throw new Refusal(400, "digest_mismatch", "the manifest has another root digest");
      }
      await this.#checkChunks(manifest);
      const known = (await this.#store.getManifest(root)) !== undefined;
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

  async #getChunk({ request, response, parts }: Call): Promise<void> {
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

  async #getManifest({ request, response, parts }: Call): Promise<void> {
    const { bytes } = await this.#storedManifest(rootDigest(parts));
    sendHead(response, bytes.length, request.method === "HEAD" ? undefined : bytes);
  }

  async #getFile({ request, response, parts, query }: Call): Promise<void> {
    const { manifest } = await this.#storedManifest(rootDigest(parts));
    response.setHeader("content-type", "application/octet-stream");
    response.setHeader("content-length", String(manifest.totalLength));
    response.setHeader("content-disposition", disposition(query.get("name")));
    response.setHeader("content-security-policy", "sandbox");
    if (request.method !== "HEAD") {
      // The head goes out with the first chunk: until then damage can be answered with a 500.
      for (const { hashHex: digest } of manifest.chunks) {
        const payload = await this.#verifiedChunk(manifest.hash, digest);
        if (payload === undefined) throw chunkDamaged(digest, "is not stored");
        if (response.destroyed) return;
        if (!response.write(payload)) await drained(response, this.limits.idleTimeoutMs);
      }
    }
    response.end();
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

  async #buffering(bytes: number, work: () => Promise<void>): Promise<void> {
    if (!this.#buffered.tryTake(bytes)) {
      throw new Refusal(503, "server_busy", "too many bodies are held at once", {
        headers: { "retry-after": "1" },
      });
    }
    try {
      await work();
    } finally {
      this.#buffered.give(bytes);
    }
  }

  async #decoding(work: () => Promise<void>): Promise<void> {
    await this.#decoders.take(1);
    try {
      await work();
    } finally {
      this.#decoders.give(1);
    }
  }

  async #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
    const gone = response.destroyed || (request.destroyed && !request.complete);
    const refusal = asRefusal(error);
    if (refusal.status >= 500 && !gone) this.#onError(error, request);
    if (gone || response.headersSent) {
      // A short body must never look like a whole one.
      response.destroy();
      return;
    }
    const { status, code, message, missing, headers } = refusal;
    const answer = Buffer.from(JSON.stringify({ code, message, missing }));
    response.removeHeader("content-disposition");
    response.removeHeader("content-security-policy");
    const waiting = request.headers.expect !== undefined && request.readableDidRead === false;
    const announced = Number(request.headers["content-length"] ?? Number.POSITIVE_INFINITY);
    const hasBody = "transfer-encoding" in request.headers || "content-length" in request.headers;
    const unread = hasBody && !request.complete;
    const timedOut = code === "request_timeout";
    if (unread && !waiting && !timedOut && announced <= MAX_DRAINED_BYTES) {
      await drain(request, LINGER_MS);
    }
    const close = unread && !request.complete;
    response.writeHead(status, {
      ...headers,
      "content-type": "application/json",
      "content-length": answer.length,
      ...(close ? { connection: "close" } : {}),
    });
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    response.write(answer);
    // Closing now, with unread bytes, would reset the connection, and the sender might never see
    // the answer that is already complete.
    if (close && !timedOut) await drain(request, LINGER_MS);
    response.end();
  }
}

function parseQuery(body: Uint8Array): { hash: HashAlgorithm; digests: string[] } {
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

interface ManifestContent {
  readonly hash: HashAlgorithm;
  readonly totalLength: number;
  readonly chunks: readonly Chunk[];
}

/** Takes a manifest out of the WebAssembly module, whose memory no garbage collector watches. */
function parseManifest(bytes: Uint8Array, maxBytes: number): ManifestContent {
  const manifest = Manifest.parse(bytes, { maxBytes });
  try {
    const { hash, totalLength, chunks } = manifest;
    return { hash, totalLength, chunks };
  } finally {
    manifest[Symbol.dispose]();
  }
}

function acceptedManifest(bytes: Uint8Array, maxBytes: number): ManifestContent {
  try {
    return parseManifest(bytes, maxBytes);
  } catch (error) {
    if (error instanceof ChunkerError) throw new Refusal(400, error.code, error.message);
    throw error;
  }
}

function chunkName([hash, digest]: readonly string[]): { hash: HashAlgorithm; digest: string } {
  if (!isHashAlgorithm(hash)) throw unknownHash();
  if (!isDigest(digest)) throw invalidDigest();
  return { hash, digest };
}

function rootDigest([root]: readonly string[]): string {
  if (!isDigest(root)) throw invalidDigest();
  return root;
}

function unknownHash(): Refusal {
  return new Refusal(400, "unknown_hash_algorithm", "the hash must be sha256 or blake3");
}

function invalidDigest(): Refusal {
  return new Refusal(400, "invalid_digest", "a digest is 64 lowercase hexadecimal digits");
}

function wrongLength(digest: string): Refusal {
  return new Refusal(
    400,
    "chunk_length_mismatch",
    `the manifest gives chunk ${digest} a length it does not have`,
  );
}

function chunkNotFound(digest: string): Refusal {
  return new Refusal(404, "chunk_not_found", `no chunk ${digest} is stored`);
}

function chunkDamaged(digest: string, what: string): Refusal {
  return new Refusal(500, "chunk_damaged", `chunk ${digest} ${what}`);
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new Refusal(507, "insufficient_storage", "the store is full", { cause: error });
  }
  return new Refusal(500, "internal_error", "the server failed", { cause: error });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
  });
  response.end(bytes);
}

function sendHead(response: ServerResponse, length: number, body?: Uint8Array): void {
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": length,
    "content-security-policy": "sandbox",
  });
  response.end(body);
}

/** An attachment's name in plain ASCII and, for those that understand it, as it is (RFC 6266). */
function disposition(name: string | null): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const safe = (name ?? "").replace(/[\u0000-\u001f\u007f/\\]/g, "_");
  // By code points: half a surrogate pair cannot be encoded.
  const base = [...safe].slice(0, 255).join("");
  if (base === "") return "attachment";
  const ascii = base.replace(/[^\u0020-\u007e]|["%]/g, "_");
  const encoded = encodeURIComponent(base).replace(/['()*]/g, escaped);
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Resolves when `response` takes more; rejects if its reader is gone or does not read. */
function drained(response: ServerResponse, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      response.off("drain", settle);
      response.off("close", onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = () => settle(new Refusal(408, "request_timeout", "the answer was not read"));
    const timer = setTimeout(onClose, timeoutMs);
    response.on("drain", settle);
    response.on("close", onClose);
  });
}

/** Reads and drops the rest of a body; gives up after `timeoutMs`. */
async function drain(request: IncomingMessage, timeoutMs: number): Promise<void> {
  if (request.complete || request.destroyed) return;
  request.resume();
  try {
    await once(request, "end", { signal: AbortSignal.timeout(timeoutMs) });
  } catch {
    // It takes too long, or the sender went away: the connection is closed next.
  }
}

/** Answers what the HTTP parser rejects, or a request whose head or body takes too long. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ([431, "headers_too_large", "the head of the request is too large"] as const)
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ([408, "request_timeout", "the request took too long"] as const)
        : ([400, "malformed_request", "this is not HTTP/1.1"] as const);
  const body = JSON.stringify({ code, message });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      "Content-Type: application/json\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n` +
      "Connection: close\r\n\r\n" +
      body,
  );
}
