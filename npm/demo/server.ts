// The page, the built package that it imports, and the upload protocol, on localhost.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createUploadHandler,
  type Store,
  type UploadHandlerOptions,
} from "chunker-cdc/dedup/server";

const MIME_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** A file of the page, ready to be sent. */
interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

export interface DemoServerOptions {
  readonly store: Store;
  /** A `fixed` port must be free; else any other will do. */
  readonly port: { readonly port: number; readonly fixed: boolean };
  /** Called before each request of the protocol. */
  readonly authorize?: UploadHandlerOptions<IncomingMessage>["authorize"];
}

/** Starts the server; `url` has no slash at its end. */
export async function startServer({
  store,
  port: { port, fixed },
  authorize,
}: DemoServerOptions): Promise<{ url: string; server: Server; close(): Promise<void> }> {
  const assets = await loadAssets();
  const policy = contentSecurityPolicy(assets.get("/")?.bytes.toString() ?? "");
  const upload = createUploadHandler({
    store,
    onError: (error) => console.error("server:", error),
    authorize,
  });
  const server = createServer({ headersTimeout: 20_000, keepAliveTimeout: 10_000 });
  server.on("request", (request, response) => {
    // A page of another site whose name is pointed at this machine has its own name here.
    if (!isLocal(request)) refuse(response, 421, "This server is for localhost only.\n");
    else if (/^\/v1(?![^/?])/.test(request.url ?? "")) void upload(request, response);
    else sendAsset(request, response, assets, policy);
  });
  await listen(server, port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    if (fixed) throw new Error(`port ${port} is in use: choose another with PORT=…`);
    return listen(server, 0);
  });
  const { port: listening } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${listening}`,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** All that the page may ask for, by path: nothing else can be read. */
async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  const built = fileURLToPath(new URL("./page/", import.meta.url));
  const source = fileURLToPath(new URL("../demo/page/", import.meta.url));
  const library = fileURLToPath(new URL("../dist/", import.meta.url));
  const assets = new Map<string, Asset>();
  const add = async (directory: string, prefix: string) => {
    const entries = await readdir(directory, { recursive: true });
    for (const name of entries) {
      const type = MIME_TYPES[extname(name)];
      if (type === undefined || name.startsWith("cjs")) continue;
      const path = name === "index.html" ? "/" : prefix + name.split(sep).join("/");
      assets.set(path, { type, bytes: await readFile(join(directory, name)) });
    }
  };
  await add(source, "/page/");
  await add(built, "/page/");
  await add(library, "/chunker-cdc/");
  return assets;
}

/** Allows the page its own files and, by its digest, its import map. */
function contentSecurityPolicy(html: string): string {
  const map = /<script type="importmap">([^<]*)<\/script>/.exec(html)?.[1] ?? "";
  const digest = createHash("sha256").update(map).digest("base64");
  return [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' 'sha256-${digest}'`,
    "style-src 'self'",
    "img-src 'self'",
    "media-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function sendAsset(
  request: IncomingMessage,
  response: ServerResponse,
  assets: ReadonlyMap<string, Asset>,
  policy: string,
): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    refuse(response, 405, "Only GET is possible here.\n", { allow: "GET, HEAD" });
    return;
  }
  const asset = assets.get(request.url?.split("?", 1)[0] ?? "");
  if (asset === undefined) {
    refuse(response, 404, "There is nothing at this address.\n");
    return;
  }
  response.writeHead(200, {
    "content-type": asset.type,
    "content-length": asset.bytes.length,
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
  });
  response.end(request.method === "HEAD" ? undefined : asset.bytes);
}

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "text/plain", connection: "close", ...headers });
  response.end(message);
}

function isLocal({ headers: { host = "" } }: IncomingMessage): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
