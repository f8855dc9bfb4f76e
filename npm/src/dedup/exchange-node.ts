// Requests by Node's own client: half the work of its `fetch`, and it reports how much of a body was sent.

import type * as http from "node:http";
import type * as https from "node:https";
import process from "node:process";
import type { Exchange, HttpRequest } from "./exchange.js";
import type { Body } from "./transport.js";

/** Most bytes to read from a socket at a time. */
const READ_BYTES = 512 * 1024;
/** Bytes to write to the socket at a time. */
const WRITE_BYTES = 512 * 1024;
/** Limit for the bytes of a body that the system buffers: Linux's default. */
const MOST_BUFFERED = 4 * 1024 * 1024;
/** Bytes per millisecond for each of eleven connections that share an uplink of 256 kbit/s. */
const SLOWEST_LINK = 3;

/** A module, and its persistent connections. */
interface Client {
  readonly module: typeof http | typeof https;
  readonly agent: http.Agent;
}

const clients = new Map<string, Promise<Client>>();

/** Returns the client for `http:` or `https:`. */
function clientFor(protocol: string): Promise<Client> {
  let client = clients.get(protocol);
  if (client === undefined) {
    client = (protocol === "https:" ? loadHttps() : loadHttp()).then((module) => {
      return { module, agent: persistentAgent(module) };
    });
    clients.set(protocol, client);
  }
  return client;
}

/**
 * Returns an agent that keeps its connections. Each of them reuses one read buffer: the HTTP parser copies what it
 * passes on. By default, Node allocates 64 KiB for each read, which makes downloads slower.
 */
function persistentAgent({ Agent }: Client["module"]): http.Agent {
  const agent = new Agent({ keepAlive: true });
  const connect = agent.createConnection;
  agent.createConnection = (options, onCreate) => {
    const callback = (length: number, bytes: Uint8Array) => {
      socket?.emit("data", bytes.subarray(0, length));
      return true;
    };
    const onread = { buffer: new Uint8Array(READ_BYTES), callback };
    const own: object = { ...options, onread };
    let socket: ReturnType<typeof connect>;
    try {
      socket = connect.call(agent, own, onCreate);
    } catch {
      socket = connect.call(agent, options, onCreate); // Deno before 2.9 has no `onread`
    }
    return socket;
  };
  return agent;
}

// Since Node 22, importing `node:http` loads all of `fetch`, because that module also exports `WebSocket`. This takes
// 30 ms.
async function loadHttp(): Promise<typeof http> {
  return process.getBuiltinModule?.("node:http") ?? (await import("node:http"));
}

async function loadHttps(): Promise<typeof https> {
  return process.getBuiltinModule?.("node:https") ?? (await import("node:https"));
}

/** Sends a request by `node:http` or `node:https`, over persistent connections. */
export const nodeExchange: Exchange = async (request) => {
  for (;;) {
    try {
      return await attempt(request);
    } catch (error) {
      // The server closed a persistent connection just as it was used: that is not a failure.
      if (!(error instanceof StaleConnection)) throw error;
    }
  }
};

class StaleConnection extends Error {}

async function attempt({ method, url, headers, body, signal, watch, onSent }: HttpRequest) {
  const { module, agent } = await clientFor(new URL(url).protocol);
  signal.throwIfAborted();
  return new Promise<Awaited<ReturnType<Exchange>>>((resolve, reject) => {
    watch.wait();
    const length = body === undefined ? {} : { "content-length": body.length };
    const request = module.request(url, {
      method,
      agent,
      headers: { ...Object.fromEntries(headers), ...length },
    });
    let answered = false;
    // Without an error for the socket, which may be back with the agent already.
    const end = (error: unknown) => {
      reject(error);
      request.destroy();
    };
    const onAbort = () => end(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    request.on("close", () => {
      signal.removeEventListener("abort", onAbort);
      if (!answered) reject(new Error("the connection was closed")); // for example after an unsolicited 101
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && !answered && error.code === "ECONNRESET";
      reject(stale && !signal.aborted ? new StaleConnection() : error);
    });
    request.on("response", (response) => {
      answered = true;
      watch.wait();
      // If the answer came before the whole body was sent, the connection cannot be reused.
      response.on("end", () => {
        if (!request.writableFinished) request.destroy();
      });
      resolve({
        status: response.statusCode ?? 0,
        header: (name) => {
          const value = response.headers[name.toLowerCase()];
          return value === undefined ? null : String(value);
        },
        body: response,
      });
    });
    write(request, body, watch, onSent).catch(end);
  });
}

async function write(
  request: http.ClientRequest,
  body: Body | undefined,
  watch: HttpRequest["watch"],
  onSent: HttpRequest["onSent"],
): Promise<void> {
  let sent = 0;
  for (const pieces of body === undefined ? [] : gathered(body)) {
    const failed = await new Promise<unknown>((written) => {
      request.cork();
      for (const piece of pieces.slice(0, -1)) request.write(piece);
      request.write(pieces.at(-1) as Uint8Array, written);
      request.uncork();
    });
    if (failed || request.destroyed) return;
    for (const { length } of pieces) sent += length;
    watch.wait();
    onSent?.(sent);
  }
  // Bytes that the system still holds leave at the speed of the link.
  watch.wait(Math.min(sent, MOST_BUFFERED) / SLOWEST_LINK);
  request.end();
}

/** Yields the parts of a body in groups of about {@link WRITE_BYTES}. */
function* gathered({ parts }: Body): Generator<Uint8Array[], void, undefined> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts as readonly Uint8Array[]) {
    for (let at = 0; at < part.length; at += WRITE_BYTES) {
      const piece = part.subarray(at, at + WRITE_BYTES);
      pieces.push(piece);
      bytes += piece.length;
      if (bytes < WRITE_BYTES) continue;
      yield pieces;
      pieces = [];
      bytes = 0;
    }
  }
  if (pieces.length > 0) yield pieces;
}
