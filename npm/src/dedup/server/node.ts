/// <reference lib="esnext.disposable" preserve="true" />
// For servers of `node:http` and frameworks on top: Express, Connect, Fastify's `raw`, …

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { kindOf } from "../../bytes.js";
import { invalidArgument } from "../../errors.js";
import { checkedOptions, checkInteger } from "../../options.js";
import { BodyWriter } from "./body-writer.js";
import { Refusal } from "./error.js";
import { HANDLER_KEYS, type UploadHandlerOptions } from "./options.js";
import { type Incoming, type Reply, Shell } from "./shell.js";

/** Bytes of a refused body to read, so that the connection can be kept. */
const DRAINED = 1024 * 1024;
/**
 * How long to read a refused body before closing the connection, in milliseconds: closing with unread bytes
 * would lose the answer.
 */
const LINGER_MS = 2_000;

/** Answers one request; resolves when the answer is finished, and never rejects. */
export type UploadHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * Returns an upload protocol handler for `node:http` and everything built on it.
 *
 * It answers every request it is given, and unknown paths with 404. It reads `request.url`, from which
 * Express strips the path where the handler is mounted:
 * `app.use("/store", createUploadHandler({ store: "files" }))`.
 *
 * @throws {ChunkerError} `native_unavailable` without an addon; `invalid_argument`.
 * @throws {StoreError} `invalid_store_option` for a number out of range, an invalid `prefix`, or `credentials` with
 * `origins: "*"`.
 */
export function createUploadHandler(options: UploadHandlerOptions<IncomingMessage>): UploadHandler {
  const handler = new Handler(options);
  // Reports a broken store when the server starts; requests report it again.
  handler.shell.open().catch((error) => handler.shell.report(error));
  return (request, response) => handler.answer(request, response, () => {});
}

/** Options of {@link createUploadServer}. */
export interface UploadServerOptions extends UploadHandlerOptions<IncomingMessage> {
  /** Default: any free port. */
  readonly port?: number | undefined;
  /** The address to listen on. Without `authorize`, it must be a loopback address. Default: `127.0.0.1`. */
  readonly host?: string | undefined;
}

const SERVER_KEYS = ["port", "host", ...HANDLER_KEYS] as const;

/** A listening server. */
export interface UploadServer extends AsyncDisposable {
  /** Its address, without a trailing slash. */
  readonly url: string;
  readonly server: Server;
  /**
   * Stops accepting requests, and resolves once running ones have finished. Those that take longer than
   * `graceMs` are cut off. Default: 30 seconds.
   */
  close(options?: { readonly graceMs?: number | undefined }): Promise<void>;
}

/**
 * Starts a server that speaks only the upload protocol.
 *
 * Without `authorize`, it listens only on local addresses and answers only to local host names. Otherwise
 * a page of another site could send it requests under that site's name.
 *
 * @throws As {@link createUploadHandler}, {@link Store.open} and `server.listen`.
 */
export async function createUploadServer(options: UploadServerOptions): Promise<UploadServer> {
  const { port = 0, host = "127.0.0.1", ...rest } = checkedOptions(options, SERVER_KEYS);
  checkInteger("port", port, 0, 65_535);
  if (typeof host !== "string")
    throw invalidArgument(`host is ${kindOf(host)} (expected a string)`);
  const isOpen = rest.authorize === undefined;
  if (isOpen && !isLoopback(host)) {
    throw invalidArgument(`host is ${host} (expected a loopback address, unless authorize is set)`);
  }
  const handler = new Handler(rest, isOpen);
  await handler.shell.open();
  const server = createServer({
    headersTimeout: 20_000,
    requestTimeout: 0,
    keepAliveTimeout: 10_000,
  });
  server.on("request", (request, response) => void handler.answer(request, response, () => {}));
  server.on("checkContinue", (request, response) => {
    void handler.answer(request, response, () => response.writeContinue(), true);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const close: UploadServer["close"] = ({ graceMs = 30_000 } = {}) => {
    handler.isStopping = true;
    // Timers cannot run longer than about 24 days: they would fire immediately.
    const cut = graceMs < 2 ** 31 && setTimeout(() => server.closeAllConnections(), graceMs);
    return new Promise((resolve) => {
      server.close(() => {
        clearTimeout(cut || undefined);
        resolve();
      });
      server.closeIdleConnections();
    });
  };
  const { address, family, port: listening } = server.address() as AddressInfo;
  const name = family === "IPv6" ? `[${address}]` : address;
  return {
    url: `http://${name}:${listening}`,
    server,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

class Handler {
  readonly shell: Shell<IncomingMessage>;
  /** Connections end with their request. */
  isStopping = false;
  readonly #isLocal: boolean;

  constructor(options: UploadHandlerOptions<IncomingMessage>, isLocal = false) {
    this.shell = new Shell(options);
    this.#isLocal = isLocal;
  }

  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    proceed: () => void,
    expects = false,
  ): Promise<void> {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    response.on("error", () => {}); // "close" follows
    let isWaiting = expects;
    const incoming = incomingOf(request, gone.signal, () => {
      isWaiting = false;
      proceed();
    });
    const isOther = this.#isLocal && !isLoopback(hostOf(request));
    const reply = isOther
      ? this.shell.refuse(incoming, new Refusal(421, "misdirected_request"))
      : await this.shell.answer(incoming);
    if (reply === undefined || response.destroyed) {
      if (typeof reply?.body === "object" && reply.body !== null && "free" in reply.body) {
        reply.body.free();
      }
      request.destroy();
      return;
    }
    try {
      await this.#send(incoming, response, reply, isWaiting);
    } catch (error) {
      response.destroy(); // so that a short body does not look complete
      if (!gone.signal.aborted) this.shell.report(error, request);
    }
  }

  async #send(
    incoming: Incoming<IncomingMessage>,
    response: ServerResponse,
    { status, headers, body }: Reply,
    isWaiting: boolean,
  ): Promise<void> {
    const { request } = incoming;
    const isUnread = !request.complete && hasBody(request);
    const isLeft = isWaiting || status === 408;
    const isLong = !(Number(request.headers["content-length"]) <= DRAINED);
    if (request.httpVersionMajor < 2 && (this.isStopping || (isUnread && (isLeft || isLong)))) {
      headers.push("Connection", "close");
    }
    response.writeHead(status, headers);
    const writer = new BodyWriter(response, this.shell.stallTimeoutMs);
    if (body instanceof Uint8Array) await writer.write(body);
    else if (body !== null) {
      // Once the connection is closed, no piece must be awaited or hold memory.
      incoming.gone.addEventListener("abort", () => body.free(), { once: true });
      try {
        await writer.writeAll(body);
      } finally {
        body.free();
      }
    } else if (isUnread) response.flushHeaders();
    if (isUnread && !isLeft) await drain(incoming);
    await writer.end();
    if (isUnread && !request.complete) request.destroy();
  }
}

function incomingOf(
  request: IncomingMessage,
  gone: AbortSignal,
  proceed: () => void,
): Incoming<IncomingMessage> {
  const headers: string[] = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const [name = "", value = ""] = request.rawHeaders.slice(at, at + 2);
    if (!name.startsWith(":")) headers.push(name, value); // HTTP/2 has the request line among them
  }
  let pieces: AsyncIterator<Uint8Array> | undefined;
  return {
    request,
    method: request.method ?? "",
    target: request.url ?? "",
    headers,
    isConsumed: request.readableDidRead || request.readableEnded,
    gone,
    proceed,
    async next() {
      // The request is left open, so that it can be answered.
      pieces ??= request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
      const { done, value } = await pieces.next();
      return done ? undefined : value;
    },
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return "transfer-encoding" in headers || Number(headers["content-length"] ?? 0) > 0;
}

/** Reads and drops the rest of a body, for a limited time. */
async function drain(incoming: Incoming<IncomingMessage>): Promise<void> {
  const read = async () => {
    while ((await incoming.next()) !== undefined);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LINGER_MS);
  });
  await Promise.race([read().catch(() => {}), late]);
  clearTimeout(timer);
}

function hostOf(request: IncomingMessage): string {
  const host = request.headers.host ?? request.headers[":authority"] ?? "localhost";
  return String(host).replace(/:\d*$/, "");
}

/** Whether a name or address is local to this machine. */
function isLoopback(host: string): boolean {
  const name = host.replace(/\.$/, "").toLowerCase();
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    /^127(\.\d{1,3}){3}$/.test(name) ||
    name === "::1" ||
    name === "[::1]"
  );
}
