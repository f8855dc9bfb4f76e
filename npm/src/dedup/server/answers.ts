import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Refusal } from "./refusal.js";

/** A refused body up to this length is read to its end, so that the connection can be kept. */
const MAX_DRAINED_BYTES = 1024 * 1024;
/** How long a connection stays open for a refused body, so that the sender can read the answer. */
const LINGER_MS = 2_000;

export function sendJson(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
  });
  response.end(bytes);
}

/** Answers with stored bytes; without `body`, with their head. */
export function sendHead(response: ServerResponse, length: number, body?: Uint8Array): void {
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": length,
    "content-security-policy": "sandbox",
  });
  response.end(body);
}

/** An attachment's name in plain ASCII and, for those that understand it, as it is (RFC 6266). */
export function disposition(name: string | null): string {
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
export function drained(response: ServerResponse, timeoutMs: number): Promise<void> {
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

/** Answers with an error of the protocol, or closes the connection where that is no longer possible. */
export async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
  gone: boolean,
): Promise<void> {
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
