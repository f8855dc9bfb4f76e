import type { IncomingMessage, ServerResponse } from "node:http";
import { refuse } from "./answers.js";
import { type Call, Endpoints } from "./endpoints.js";
import {
  type CorsOptions,
  DEFAULT_LIMITS,
  type UploadHandlerOptions,
  type UploadLimits,
} from "./options.js";
import { asRefusal, Refusal } from "./refusal.js";

interface Route {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, (call: Call) => Promise<void>>>;
}

/** Finds what a request asks for, and answers it. */
export class Router {
  readonly limits: UploadLimits;
  readonly #cors: CorsOptions | undefined;
  readonly #onError: (error: unknown, request: IncomingMessage) => void;
  readonly #routes: readonly Route[];

  constructor({ store, limits, cors, onError }: UploadHandlerOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.#cors = cors;
    this.#onError = onError ?? (() => {});
    const endpoints = new Endpoints(store, this.limits);
    this.#routes = [
      {
        path: /^\/v1\/chunks\/missing$/,
        methods: { POST: (call) => endpoints.queryMissing(call) },
      },
      {
        path: /^\/v1\/chunks\/([^/]+)\/([^/]+)$/,
        methods: {
          GET: (call) => endpoints.getChunk(call),
          PUT: (call) => endpoints.putChunk(call),
        },
      },
      {
        path: /^\/v1\/manifests\/([^/]+)$/,
        methods: {
          GET: (call) => endpoints.getManifest(call),
          PUT: (call) => endpoints.putManifest(call),
        },
      },
      {
        path: /^\/v1\/files\/([^/]+)$/,
        methods: { GET: (call) => endpoints.getFile(call) },
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

  async #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
    const gone = response.destroyed || (request.destroyed && !request.complete);
    const refusal = asRefusal(error);
    if (refusal.status >= 500 && !gone) this.#onError(error, request);
    await refuse(request, response, refusal, gone);
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
}
