import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";
import type { UploadHandlerOptions } from "./options.js";
import { Router } from "./router.js";

/** Answers one request; resolves when the answer is finished, and never rejects. */
export type UploadHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * Returns a handler of the upload protocol for `node:http`.
 *
 * It answers every request it is given, unknown paths with 404. It has no notion of users: call it
 * only for requests that may read and write the whole store, for whoever can ask which chunks are
 * missing can learn which contents are stored.
 */
export function createUploadHandler(options: UploadHandlerOptions): UploadHandler {
  const router = new Router(options);
  return (request, response) => router.answer(request, response, () => {});
}

/**
 * Returns a server that speaks only the upload protocol, with the timeouts it should have.
 *
 * Besides what the handler does it refuses a body before it is sent (`Expect: 100-continue`) and
 * answers malformed HTTP in the protocol's form.
 */
export function createUploadServer(options: UploadHandlerOptions): Server {
  const router = new Router(options);
  const server = createServer({
    headersTimeout: 20_000,
    requestTimeout: router.limits.bodyTimeoutMs + 30_000,
    keepAliveTimeout: 10_000,
    connectionsCheckingInterval: 5_000,
    // Checked below: Node's own answer has no body.
    requireHostHeader: false,
  });
  const answering = new Map<Duplex, ServerResponse>();
  const answer = (request: IncomingMessage, response: ServerResponse, proceed: () => void) => {
    const { socket } = request;
    if (!isHttp(request)) {
      answerMalformed(undefined, socket);
      return;
    }
    answering.set(socket, response);
    response.once("close", () => answering.delete(socket));
    void router.answer(request, response, proceed);
  };
  server.on("request", (request, response) => answer(request, response, () => {}));
  server.on("checkContinue", (request, response) => {
    answer(request, response, () => response.writeContinue());
  });
  // Expectations that nobody knows are ignored, as RFC 9110 allows.
  server.on("checkExpectation", (request, response) => answer(request, response, () => {}));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const response = answering.get(socket);
    if (response === undefined) answerMalformed(error.code, socket);
    // The sender went away in mid-body, or is too slow.
    else if (!response.req.complete && !isMalformed(error.code)) socket.destroy();
    // What follows a good head is malformed: that request is still answered, and no other.
    else response.shouldKeepAlive = false;
  });
  return server;
}

/** Whether the parser has let a request through rightly: it takes any version, and any number of hosts. */
function isHttp({ httpVersion, headersDistinct: { host = [] } }: IncomingMessage): boolean {
  return httpVersion === "1.1" ? host.length === 1 : httpVersion === "1.0" && host.length <= 1;
}

/** Whether the HTTP parser met something else than an end. */
function isMalformed(code: string | undefined): boolean {
  return code?.startsWith("HPE_") === true && code !== "HPE_INVALID_EOF_STATE";
}

/** Answers what is not HTTP by the parser's code, or a request whose head or body takes too long. */
function answerMalformed(parserCode: string | undefined, socket: Duplex): void {
  if (parserCode === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] =
    parserCode === "HPE_HEADER_OVERFLOW"
      ? ([431, "headers_too_large", "the head of the request is too large"] as const)
      : parserCode === "ERR_HTTP_REQUEST_TIMEOUT"
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
