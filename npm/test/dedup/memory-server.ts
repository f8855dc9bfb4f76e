// The protocol over HTTP in front of a store in memory, where a test may let anything go wrong.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { HashAlgorithm } from "chunker-cdc";
import type { DedupError } from "chunker-cdc/dedup";
import { MemoryStore, refused } from "./memory-store.js";

/** A request that has come. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** How many requests of the method and the kind of path came before. */
  readonly count: number;
  /** Bytes of the body as far as they have come. */
  bytes: number;
}

/**
 * Called before a request's body is read. What it answers itself, or destroys, the server leaves alone;
 * what it waits for, the client does too.
 */
export type ServerFault = (
  seen: Seen,
  request: IncomingMessage,
  response: ServerResponse,
) => unknown;

/** A listening server; it is closed after the test. */
export class MemoryServer {
  readonly store = new MemoryStore();
  readonly seen: Seen[] = [];
  fault: ServerFault = () => {};
  /** Connections that were opened. */
  connections = 0;
  /** Whether answers to questions tell the limits. */
  tellsLimits = true;
  readonly #server: Server;
  /** Packs that are arriving. */
  readonly #packs = new Set<Promise<void>>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(t: TestContext, port = 0): Promise<MemoryServer> {
    const server = createServer();
    const memory = new MemoryServer(server);
    server.on("request", (request, response) => {
      const answered = memory.#answer(request, response);
      if (!request.url?.startsWith("/v1/packs/")) return;
      memory.#packs.add(answered);
      answered.finally(() => memory.#packs.delete(answered));
    });
    server.on("connection", () => {
      memory.connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    t.after(() => memory.close());
    return memory;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends all connections and answers no more. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** How many requests of a kind came: `"POST packs"`. */
  requests(kind: string): number {
    return this.seen.filter((seen) => kindOf(seen) === kind).length;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    request.on("error", () => {});
    const { method = "", url = "", headers } = request;
    const kind = kindOf({ method, path: url });
    const seen = { method, path: url, headers, count: this.requests(kind), bytes: 0 };
    this.seen.push(seen);
    try {
      await this.fault(seen, request, response);
      if (response.headersSent || request.destroyed || response.destroyed) return;
      const pieces: Uint8Array[] = [];
      for await (const piece of request) {
        seen.bytes += piece.length;
        pieces.push(piece);
      }
      await this.#route(request, response, Buffer.concat(pieces));
    } catch (error) {
      if (response.headersSent || response.destroyed) return;
      const { status = 500, code, message, missing, count } = error as DedupError;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ code, message, missing, count }));
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse, body: Uint8Array) {
    const { store } = this;
    const url = new URL(request.url ?? "", this.baseUrl);
    const [, , noun = "", name = "", verb = ""] = url.pathname.split("/");
    const hash = name as HashAlgorithm;
    const { limits } = store;
    const json = (value: object) => send(response, Buffer.from(JSON.stringify(value)));
    switch (`${request.method} ${noun}${verb && `/${verb}`}`) {
      case "GET ":
        return json({ version: 1, encodings: ["zstd"], limits });
      case "POST chunks/missing": {
        const told = this.tellsLimits ? { "chunker-limits": JSON.stringify(limits) } : {};
        return send(response, store.missing(hash, body), told);
      }
      case "POST chunks/read":
        return send(response, store.readChunks(hash, body));
      case "GET files/chunks": {
        const place = (field: string) => Number(url.searchParams.get(field) ?? Number.NaN);
        const [start, end] = [place("start") || undefined, place("end")];
        const { head, digests } = store.download(name, start, Number.isNaN(end) ? undefined : end);
        const chunks = store.readChunks(name.split("-")[0] as HashAlgorithm, digests);
        return send(response, Buffer.concat([head, chunks]));
      }
      case "POST packs":
        return json(await store.putPack(hash, body));
      case "PUT manifests":
        if (url.searchParams.get("expect") === "sent") await Promise.all(this.#packs);
        try {
          store.putManifest(name, body);
        } catch (error) {
          if (!url.searchParams.has("expect") || (error as DedupError).code !== "chunks_missing")
            throw error;
          const { count, missing } = error as DedupError;
          return send(response, Buffer.from(JSON.stringify({ count, missing })), {}, 202);
        }
        return json({ root: name });
      case "GET manifests":
        return send(response, store.getManifest(name));
      case "GET files": {
        if (name !== "") return send(response, store.file(name));
        const limit = url.searchParams.get("limit");
        const after = url.searchParams.get("after") ?? "";
        return json(store.listFiles(after, limit === null ? undefined : Number(limit)));
      }
      case "DELETE files":
        store.deleteFile(name);
        return response.writeHead(204).end();
      case "GET usage":
        return json(store.usage());
      default:
        throw refused(404, "not_found");
    }
  }
}

function send(response: ServerResponse, bytes: Uint8Array, headers = {}, status = 200): void {
  response.writeHead(status, { "content-length": bytes.length, ...headers });
  response.end(bytes);
}

function kindOf({ method, path }: { method: string; path: string }): string {
  const [, , noun = "", , verb = ""] = (path.split("?")[0] ?? "").split("/");
  return `${method} ${verb === "" ? noun : verb}`;
}
