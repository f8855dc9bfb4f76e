import { type ByteArray, joined } from "../bytes.js";
import { invalidArgument } from "../errors.js";
import { ChunkerError, type HashAlgorithm } from "../index.js";
import { checkedOptions } from "../options.js";
import { beginSpan, type EndSpan } from "../spans.js";
import { asDedupError, DedupError } from "./error.js";
import {
  type Credentials,
  type Exchange,
  type HttpAnswer,
  networkError,
  Watch,
} from "./exchange.js";
import { fetchExchange, isBadPort } from "./exchange-fetch.js";
import { platform } from "./platform.js";
import type {
  Body,
  CommitOptions,
  FilesAnswer,
  MissingAnswer,
  PutOptions,
  ReadChunksOptions,
  ReadFileOptions,
  RequestOptions,
  StoredFile,
  Transport,
  Usage,
} from "./transport.js";
import { checkedRoot, type Limits, parseLimits, parseRoot } from "./wire.js";

// What `Headers` accepts: not every type library that has it names this type.
type HeadersLike = NonNullable<ConstructorParameters<typeof Headers>[0]>;

/** Options of {@link HttpTransport}. */
export interface HttpTransportOptions {
  /**
   * URL that the `/v1/…` paths are appended to. In a page, it may be a path on the page's origin, such as
   * `/store`. Default: `""`, the root of the page's origin.
   */
  readonly baseUrl?: string | undefined;
  /** Headers of every request, such as an authorization; a function is called before each request. */
  readonly headers?: HeadersLike | (() => HeadersLike | Promise<HeadersLike>) | undefined;
  /**
   * Whether cookies are sent, as `fetch` defines it; to another origin only with `include`. Node has no
   * cookies. Default: `same-origin`.
   */
  readonly credentials?: Credentials | undefined;
  /**
   * How long the server may make no progress, in milliseconds: accept nothing of a body, or send nothing of
   * an answer. A request that makes progress has no time limit. Default: 60,000.
   */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * The `fetch` to use. It cannot report how much of a body was sent. Default: `node:http` in Node; in pages
   * and workers the global `fetch`, and XMLHttpRequest for packs.
   */
  readonly fetch?: typeof fetch | undefined;
}

const KEYS = ["baseUrl", "headers", "credentials", "stallTimeoutMs", "fetch"] as const;
const CREDENTIALS = ["omit", "same-origin", "include"];
const DEFAULT_STALL_TIMEOUT_MS = 60_000;
/** Longest wait for `Retry-After`: a longer one is a mistake or an attack. */
const MAX_RETRY_AFTER_MS = 120_000;
/** Longest answer to read into memory, except a manifest: enough to list 10,000 missing chunks. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const BINARY = "application/octet-stream";

interface Init extends PutOptions {
  readonly body?: Body;
  readonly maxBytes?: number;
}

interface Answered {
  readonly answer: HttpAnswer;
  readonly bytes: Uint8Array;
}

/** The protocol over HTTP. */
export class HttpTransport implements Transport {
  readonly takesBlobs: boolean;
  readonly #baseUrl: string;
  readonly #headers: HttpTransportOptions["headers"];
  readonly #credentials: Credentials;
  readonly #stallTimeoutMs: number;
  readonly #exchange: Exchange;

  /** @throws {ChunkerError} `invalid_argument`, for example if `baseUrl` cannot be used. */
  constructor(options: HttpTransportOptions = {}) {
    const { baseUrl, headers, credentials, stallTimeoutMs, fetch } = checkedOptions(options, KEYS);
    const { blobs, byFetch, exchange } = platform();
    this.#baseUrl = checkedUrl(baseUrl ?? "", byFetch || fetch !== undefined);
    this.#headers = headers;
    if (typeof headers !== "function") headersOf(headers);
    if (credentials !== undefined && !CREDENTIALS.includes(credentials)) {
      throw invalidArgument(
        `credentials are ${JSON.stringify(credentials)} (expected ${CREDENTIALS.join(", ")})`,
      );
    }
    this.#credentials = credentials ?? "same-origin";
    this.#stallTimeoutMs = stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS;
    if (!(this.#stallTimeoutMs > 0)) {
      throw invalidArgument(`stallTimeoutMs is ${stallTimeoutMs} (expected a number above 0)`);
    }
    this.takesBlobs = blobs;
    this.#exchange = fetch === undefined ? exchange : fetchExchange(fetch, blobs);
  }

  async limits(options: RequestOptions): Promise<Limits> {
    const { bytes } = await this.#request("GET", "/v1", options);
    const limits = parseLimits((parseJson(bytes) as { limits?: unknown } | undefined)?.limits);
    if (limits === undefined) throw unexpected("GET /v1", "does not contain the limits");
    return limits;
  }

  async missing(
    hash: HashAlgorithm,
    digests: ByteArray,
    options: RequestOptions,
  ): Promise<MissingAnswer> {
    const path = `/v1/chunks/${hash}/missing`;
    const { answer, bytes } = await this.#request("POST", path, {
      ...options,
      body: { parts: [digests], length: digests.length },
    });
    if (bytes.length !== Math.ceil(digests.length / 32 / 8)) {
      throw unexpected(`POST ${path}`, "does not have one bit per digest");
    }
    const limits = answer.header("chunker-limits");
    return {
      missing: bytes,
      limits:
        limits === null ? undefined : parseLimits(parseJson(new TextEncoder().encode(limits))),
    };
  }

  async putPack(hash: HashAlgorithm, pack: Body, options: PutOptions): Promise<void> {
    await this.#request("POST", `/v1/packs/${hash}`, { ...options, body: pack });
  }

  async readFile(
    root: string,
    { signal, range = {}, ...options }: ReadFileOptions,
  ): Promise<AsyncIterable<Uint8Array>> {
    const query = chunksQuery(options);
    if (range.start !== undefined) query.set("start", String(range.start));
    if (range.end !== undefined) query.set("end", String(range.end));
    return this.#stream("GET", `/v1/files/${root}/chunks${asSuffix(query)}`, { signal });
  }

  async readChunks(
    hash: HashAlgorithm,
    digests: ByteArray,
    { signal, ...options }: ReadChunksOptions,
  ): Promise<AsyncIterable<Uint8Array>> {
    const path = `/v1/chunks/${hash}/read${asSuffix(chunksQuery(options))}`;
    return this.#stream("POST", path, {
      signal,
      body: { parts: [digests], length: digests.length },
    });
  }

  async putManifest(
    root: string,
    manifest: ByteArray,
    { signal, expect }: CommitOptions,
  ): Promise<void> {
    const query = expect === undefined ? "" : `?expect=${expect}`;
    const { answer, bytes } = await this.#request("PUT", `/v1/manifests/${root}${query}`, {
      signal,
      body: { parts: [manifest], length: manifest.length },
    });
    if (answer.status === 202) {
      const missing = missingOf(fieldsOf(bytes));
      const message = `the server lacks ${missing.count ?? "some"} chunks of the file`;
      throw new DedupError("chunks_missing", message, missing);
    }
  }

  async getManifest(
    root: string,
    options: RequestOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array> {
    return (await this.#request("GET", `/v1/manifests/${root}`, options)).bytes;
  }

  async listFiles({
    signal,
    after,
    limit,
  }: RequestOptions & {
    readonly after?: string | undefined;
    readonly limit?: number | undefined;
  }): Promise<FilesAnswer> {
    const query = new URLSearchParams();
    if (after !== undefined) query.set("after", after);
    if (limit !== undefined) query.set("limit", String(limit));
    const path = `/v1/files${asSuffix(query)}`;
    const { bytes } = await this.#request("GET", path, { signal });
    const { files, next } = (parseJson(bytes) ?? {}) as Partial<FilesAnswer>;
    const listed = Array.isArray(files) && files.every(isStoredFile);
    if (!listed || next === undefined || !(next === null || parseRoot(next) !== undefined)) {
      throw unexpected(`GET ${path}`, "is not a list of files");
    }
    return { files, next };
  }

  async deleteFile(root: string, options: RequestOptions): Promise<void> {
    await this.#request("DELETE", `/v1/files/${root}`, options);
  }

  async usage(options: RequestOptions): Promise<Usage> {
    const { bytes } = await this.#request("GET", "/v1/usage", options);
    const usage = parseJson(bytes) as Usage | undefined;
    const { files, packs, doomedPacks, chunks, bytes: stored } = usage ?? {};
    const numbers = [files, packs, doomedPacks, chunks, stored];
    if (!numbers.every(Number.isFinite))
      throw unexpected("GET /v1/usage", "does not contain the usage");
    return usage as Usage;
  }

  /**
   * Returns the URL of the whole file, for a link or, with a content type, for an element that shows it.
   *
   * @param options `name`: its name when saved; `type`: its content type, one of those that the protocol
   * allows.
   * @throws {ChunkerError} `invalid_argument` if `root` is not a file's name.
   */
  fileUrl(
    root: string,
    options: { readonly name?: string | undefined; readonly type?: string | undefined } = {},
  ): string {
    checkedRoot(root);
    const query = new URLSearchParams();
    const { name, type } = checkedOptions(options, ["name", "type"]);
    if (name !== undefined) query.set("name", name);
    if (type !== undefined) query.set("type", type);
    return `${this.#baseUrl}/v1/files/${root}${asSuffix(query)}`;
  }

  /** Sends a request and reads its answer to the end. */
  async #request(method: string, path: string, init: Init): Promise<Answered> {
    const request = new OneRequest(method, path, init, this.#stallTimeoutMs);
    try {
      const answer = await this.#send(request, init);
      return { answer, bytes: await request.bytes(answer, init.maxBytes ?? MAX_ANSWER_BYTES) };
    } catch (error) {
      throw request.failure(error);
    } finally {
      request.end();
    }
  }

  /** Sends a request; resolves while its answer may still be arriving. */
  async #stream(method: string, path: string, init: Init): Promise<AsyncIterable<Uint8Array>> {
    const request = new OneRequest(method, path, init, this.#stallTimeoutMs);
    try {
      const { body } = await this.#send(request, init);
      return request.pieces(body);
    } catch (error) {
      const failure = request.failure(error);
      request.end();
      throw failure;
    }
  }

  /** Resolves with the head of a 2xx answer. */
  async #send(request: OneRequest, { body, onSent }: Init): Promise<HttpAnswer> {
    const { method, path, signal, watch } = request;
    signal.throwIfAborted();
    const headers = headersOf(
      typeof this.#headers === "function" ? await this.#headers() : this.#headers,
    );
    signal.throwIfAborted();
    if (body !== undefined) headers.set("content-type", BINARY);
    const url = new URL(this.#baseUrl + path, globalThis.location?.href).href;
    const credentials = this.#credentials;
    const answer = await this.#exchange({
      method,
      url,
      headers,
      body,
      credentials,
      signal,
      watch,
      onSent,
    });
    const { status } = answer;
    if (status >= 200 && status < 300) return answer;
    throw refusal(request.name, answer, await request.bytes(answer, MAX_ANSWER_BYTES));
  }
}

/** A request in progress, and the reason it ended. */
class OneRequest {
  readonly method: string;
  readonly path: string;
  readonly watch: Watch;
  readonly #outer: AbortSignal;
  readonly #stop = new AbortController();
  readonly #onAbort: () => void;
  readonly #endSpan: EndSpan;
  /** How it stalled, if it did. */
  #stalled: string | undefined;
  #isEnded = false;

  constructor(method: string, path: string, { signal, body }: Init, stallTimeoutMs: number) {
    this.#endSpan = beginSpan("debug", `${method} ${path}`, { bytesOut: body?.length ?? 0 });
    this.method = method;
    this.path = path;
    this.#outer = signal;
    // One controller for both reasons to stop; AbortSignal.any would keep each request's signal alive
    // as long as the upload's.
    this.#onAbort = () => this.#stop.abort(signal.reason);
    if (signal.aborted) this.#onAbort();
    signal.addEventListener("abort", this.#onAbort, { once: true });
    this.watch = new Watch(stallTimeoutMs, () => {
      this.#stalled = `${this.name} made no progress for ${stallTimeoutMs} ms`;
      this.#stop.abort(new DedupError("request_timeout", this.#stalled));
    });
  }

  get name(): string {
    return `${this.method} ${this.path}`;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.watch.end();
    this.#endSpan();
    this.#outer.removeEventListener("abort", this.#onAbort);
  }

  async bytes(answer: HttpAnswer, maxBytes: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of this.pieces(answer.body)) {
      length += piece.length;
      if (length > maxBytes) {
        throw new DedupError(
          "protocol_error",
          `the answer to ${this.name} is longer than ${maxBytes} bytes`,
        );
      }
      pieces.push(piece);
    }
    const announced = answer.header("content-length");
    const plain = answer.header("content-encoding") === null && this.method !== "HEAD";
    if (announced !== null && plain && length < Number(announced)) {
      throw networkError(this.name, new Error("the answer was cut short"));
    }
    return joined(pieces);
  }

  /** Yields the pieces of an answer, then ends the request. Only waiting for the server counts as a stall. */
  async *pieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    let isWhole = false;
    try {
      this.watch.wait();
      for await (const piece of body) {
        this.watch.rest();
        yield piece;
        this.watch.wait();
      }
      isWhole = true;
    } catch (error) {
      throw this.failure(error);
    } finally {
      // Not every runtime closes the connection of an answer that is no longer read.
      if (!isWhole) this.#stop.abort(new Error("the answer was not read to the end"));
      this.end();
    }
  }

  /** Returns the error of a request that ended with `error`. */
  failure(error: unknown): unknown {
    if (this.#outer.aborted) return this.#outer.reason;
    if (this.#stalled !== undefined) {
      return new DedupError("request_timeout", this.#stalled, { retryable: true, cause: error });
    }
    if (asDedupError(error) !== undefined || error instanceof ChunkerError) return error;
    return networkError(this.name, error);
  }
}

function checkedUrl(baseUrl: string, byFetch: boolean): string {
  const trimmed = String(baseUrl).replace(/\/+$/, "");
  let url: URL;
  try {
    url = new URL(`${trimmed}/v1`, globalThis.location?.href);
  } catch (cause) {
    throw invalidArgument(`baseUrl ${JSON.stringify(trimmed)} is not an absolute URL`, { cause });
  }
  const { protocol, username, password, port } = url;
  if (username !== "" || password !== "") {
    throw invalidArgument(
      "baseUrl contains a user or password: send an authorization header instead",
    );
  }
  if (protocol !== "http:" && protocol !== "https:") {
    throw invalidArgument(`baseUrl ${trimmed} is not an http or https URL`);
  }
  if (url.search !== "" || url.hash !== "")
    throw invalidArgument(`baseUrl ${trimmed} has a query or a fragment`);
  if (byFetch && isBadPort(port)) {
    throw invalidArgument(`baseUrl ${trimmed} has port ${port}, which fetch refuses`);
  }
  return trimmed;
}

function headersOf(init: HeadersLike | undefined): Map<string, string> {
  try {
    return plainHeaders(init) ?? new Map(new Headers(init));
  } catch (cause) {
    throw invalidArgument(
      "headers are invalid (expected names, and values of one line of Latin-1)",
      { cause },
    );
  }
}

/**
 * Returns `init` as a map, or `undefined` if `Headers` might change or refuse it. Creating a `Headers` makes Node
 * load all of `fetch`, which delays the first request of a process by 25 ms.
 */
function plainHeaders(init: HeadersLike | undefined): Map<string, string> | undefined {
  if (init === undefined) return new Map();
  if (init?.constructor !== Object || Object.getOwnPropertySymbols(init).length > 0)
    return undefined;
  if (Symbol.iterator in init) return undefined;
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(init as Record<string, unknown>)) {
    const key = name.toLowerCase();
    if (!/^[A-Za-z0-9-]+$/.test(name) || headers.has(key)) return undefined;
    if (typeof value !== "string" || !/^[!-~]+( [!-~]+)*$/.test(value)) return undefined;
    headers.set(key, value);
  }
  return headers;
}

function unexpected(request: string, problem: string): DedupError {
  return new DedupError("protocol_error", `the answer to ${request} ${problem}`);
}

/** Returns the error in an unsuccessful answer. */
function refusal(request: string, answer: HttpAnswer, body: Uint8Array): DedupError {
  const { status } = answer;
  if (status >= 300 && status < 400) {
    const location = answer.header("location");
    const to = location === null ? "elsewhere" : `to ${location}`;
    const message = `${request} is redirected ${to}: make the final address the baseUrl`;
    return new DedupError("redirected", message, { status });
  }
  const retryAfterMs = parseRetryAfter(answer.header("retry-after"));
  const details = {
    status,
    retryable: isTemporary(status),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  const fields = fieldsOf(body);
  const { code, message } = fields;
  if (typeof code !== "string" || typeof message !== "string") {
    const text = `${request} was answered with status ${status}`;
    if (status === 413) return new DedupError("body_too_large", text, details);
    return new DedupError("protocol_error", text, details);
  }
  return new DedupError(code, message, { ...details, ...missingOf(fields) });
}

/** Returns which chunks the server lacks, if an answer names them. */
function missingOf({ missing, count }: Record<string, unknown>): {
  missing?: string[];
  count?: number;
} {
  return {
    ...(Array.isArray(missing) ? { missing: missing.filter((digest) => isHexDigest(digest)) } : {}),
    ...(typeof count === "number" ? { count } : {}),
  };
}

/** Whether the same request may succeed later (RFC 9110, section 15; RFC 8470). */
function isTemporary(status: number): boolean {
  if (status === 408 || status === 425 || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 507;
}

/** Reads `Retry-After`: seconds or an HTTP date (RFC 9110, section 10.2.3). */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

function isHexDigest(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

function isStoredFile(value: unknown): value is StoredFile {
  if (typeof value !== "object" || value === null) return false;
  const { root, length, committed } = value as Partial<StoredFile>;
  const lengthy = length === null || Number.isSafeInteger(length);
  return parseRoot(root) !== undefined && lengthy && typeof committed === "string";
}

function chunksQuery({ encoding, verify }: Omit<ReadChunksOptions, "signal">): URLSearchParams {
  const query = new URLSearchParams();
  if (encoding !== undefined) query.set("encoding", encoding);
  if (verify !== undefined) query.set("verify", verify);
  return query;
}

function asSuffix(query: URLSearchParams): string {
  const text = String(query);
  return text === "" ? "" : `?${text}`;
}

function fieldsOf(body: Uint8Array): Record<string, unknown> {
  return (parseJson(body) ?? {}) as Record<string, unknown>;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
