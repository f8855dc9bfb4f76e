// Requests by `fetch`, and in pages by XMLHttpRequest, which reports how much of a body was sent.

import { type ByteArray, isBytes, whole } from "../bytes.js";
import type { Exchange, HttpAnswer, HttpRequest } from "./exchange.js";
import type { Body } from "./transport.js";

/** Without signs of progress, a body gets this much time per byte on top of the limit. */
const MS_PER_BYTE = 1;
/** Shorter bodies are sent before any progress could be reported. */
const SHORTEST_TOLD = 128 * 1024;
/** Shorter bodies are sent as bytes: to make and to read a Blob, a page waits for other processes. */
const SHORTEST_BLOB = 64 * 1024;

/** Returns an exchange by `fetch`. */
export function fetchExchange(fetch: typeof globalThis.fetch, takesBlobs: boolean): Exchange {
  return async ({ method, url, headers, body, credentials, signal, watch }) => {
    watch.wait((body?.length ?? 0) * MS_PER_BYTE);
    const response = await fetch(url, {
      method,
      headers: new Headers([...headers]),
      ...(body === undefined ? {} : { body: bodyInit(body, takesBlobs) }),
      credentials,
      cache: "no-store",
      redirect: "manual",
      signal,
    });
    return {
      status: response.type === "opaqueredirect" ? 302 : response.status,
      header: (name) => response.headers.get(name),
      body: bodyOf(response),
    };
  };
}

function bodyInit({ parts, length }: Body, takesBlobs: boolean): Blob | ByteArray {
  if (takesBlobs && (length >= SHORTEST_BLOB || !parts.every(isBytes))) return new Blob([...parts]);
  return whole(parts as readonly ByteArray[]);
}

/** Returns an exchange for pages and workers: by XMLHttpRequest if the progress of a body matters. */
export function browserExchange(): Exchange {
  const byFetch = fetchExchange(globalThis.fetch.bind(globalThis), true);
  return (request) => {
    const told = request.onSent !== undefined && (request.body?.length ?? 0) >= SHORTEST_TOLD;
    // Service workers have no XMLHttpRequest, and it cannot omit cookies.
    const possible = "XMLHttpRequest" in globalThis && request.credentials !== "omit";
    return told && possible ? byXhr(request) : byFetch(request);
  };
}

function byXhr(request: HttpRequest): Promise<HttpAnswer> {
  const { method, url, headers, body, credentials, signal, watch, onSent } = request;
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    xhr.responseType = "arraybuffer";
    xhr.withCredentials = credentials === "include";
    headers.forEach((value, name) => {
      xhr.setRequestHeader(name, value);
    });
    const onAbort = () => xhr.abort();
    xhr.upload.onprogress = ({ loaded }) => {
      watch.wait();
      onSent?.(loaded);
    };
    xhr.onprogress = () => watch.wait();
    xhr.onload = () => {
      const redirected = xhr.responseURL.split("#", 1)[0] !== url.split("#", 1)[0];
      resolve({
        status: redirected ? 302 : xhr.status,
        header: (name) => (redirected && name === "location" ? null : xhr.getResponseHeader(name)),
        body: piecesOf(new Uint8Array(xhr.response as ArrayBuffer)),
      });
    };
    xhr.onerror = () => reject(new TypeError("the request failed"));
    xhr.onabort = () => reject(signal.reason);
    xhr.onloadend = () => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort, { once: true });
    watch.wait();
    xhr.send(new Blob([...(body?.parts ?? [])]));
  });
}

async function* piecesOf(bytes: Uint8Array) {
  yield bytes;
}

async function* bodyOf({ body }: Response): AsyncGenerator<Uint8Array, void, undefined> {
  // Other implementations of `fetch` have Node's streams, or none.
  if (body === null || body === undefined) return;
  if (typeof body.getReader !== "function") {
    yield* body as AsyncIterable<Uint8Array>;
    return;
  }
  const reader = body.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } catch (error) {
    ended = true;
    throw error;
  } finally {
    if (!ended) reader.cancel().catch(() => {});
  }
}

/** The ports that `fetch` refuses (Fetch Standard, "bad port"), without saying so in browsers. */
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
]);

/** Whether `fetch` refuses requests to this port. */
export function isBadPort(port: string): boolean {
  return port !== "" && BAD_PORTS.has(Number(port));
}
