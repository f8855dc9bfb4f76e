// What both kinds of servers (`node:http` and fetch) do with a request. The engine in the addon implements
// the protocol; this adds hooks and timeouts, and handles clients that disconnect.

import { kindOf } from "../../bytes.js";
import {
  type Answer,
  asked,
  type Engine,
  type Exchange,
  type Request,
  type StoreHandle,
  serverAddon,
  storeFailureOf,
} from "./addon.js";
import { asRefusal, Refusal, StoreError } from "./error.js";
import { interruptible } from "./interruptible.js";
import {
  checkedHandlerOptions,
  type UploadHandlerOptions,
  type UploadOperation,
  type UploadRequest,
} from "./options.js";
import { LATE, within } from "./patience.js";
import { Store, storeHandleOf } from "./store.js";

/** Bytes of a body to hand to the addon together: they are copied on this thread. */
const PIECE = 256 * 1024;

/** A request, as a server sees it. */
export interface Incoming<R> {
  readonly request: R;
  readonly method: string;
  readonly target: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** Whether its body was already read by someone else. */
  readonly isConsumed: boolean;
  /** Aborted when the client closes the connection. */
  readonly gone: AbortSignal;
  /** Lets the client send the body. */
  proceed(): void;
  /** Resolves with the next piece of the body, or nothing at its end; rejects if the connection was closed. */
  next(): Promise<Uint8Array | undefined>;
}

/** An answer. */
export interface Reply {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: ReturnType<Answer["body"]>;
}

/** The client has closed the connection. */
class Gone extends Error {}

/** Answers requests. */
export class Shell<R> {
  readonly stallTimeoutMs: number;
  readonly #options: UploadHandlerOptions<R>;
  readonly #engine: Engine;
  #store: Promise<StoreHandle> | undefined;

  /** @throws {ChunkerError} `native_unavailable`; `invalid_argument`. @throws {StoreError} */
  constructor(options: UploadHandlerOptions<R>) {
    const { Engine: Native } = serverAddon();
    const { engine, stallTimeoutMs, ...rest } = checkedHandlerOptions(options);
    this.#options = rest;
    this.stallTimeoutMs = stallTimeoutMs;
    try {
      this.#engine = new Native(engine);
    } catch (error) {
      throw storeFailureOf(error);
    }
  }

  /** Opens the store, if it is not open yet. */
  async open(): Promise<StoreHandle | undefined> {
    const { store } = this.#options;
    const handle = storeHandleOf(store);
    if (handle !== undefined || store === undefined) return handle;
    this.#store ??= Store.open(store as string | URL).then(
      (opened) => storeHandleOf(opened) as StoreHandle,
    );
    return this.#store.catch((error) => {
      this.#store = undefined; // the next request tries again
      throw error;
    });
  }

  /** Returns the answer, or nothing if the client has closed the connection. */
  async answer(incoming: Incoming<R>): Promise<Reply | undefined> {
    const { method, target, headers } = incoming;
    try {
      const begun = this.#engine.begin(method, target, headers);
      const answer = "start" in begun ? await this.#carryOut(incoming, begun) : begun;
      return this.#reply(answer, incoming.request);
    } catch (error) {
      return error instanceof Gone ? undefined : this.refuse(incoming, error);
    }
  }

  /** Returns the answer to a request that failed with `error`. */
  refuse(incoming: Incoming<R>, error: unknown): Reply {
    const { method, target, headers, request } = incoming;
    const refusal = asRefusal(error) ?? new Refusal(500, "internal_error");
    if (refusal !== error) this.report(error, request);
    const { status, code, message } = refusal;
    const text = message === "" ? undefined : message;
    const reply = this.#reply(
      this.#engine.refuse(method, target, headers, status, code, text),
      request,
    );
    for (const [name, value] of Object.entries(refusal.headers)) set(reply.headers, name, value);
    return reply;
  }

  /** Reports a failure to the hook. */
  report(error: unknown, request?: R): void {
    const tell = async () => this.#options.onError?.(error, request);
    tell().catch(() => {}); // nobody is left to report its own failure to
  }

  async #carryOut(incoming: Incoming<R>, request: Request): Promise<Answer> {
    const asks: UploadRequest = {
      operation: request.operation() as UploadOperation,
      writes: request.writes(),
      root: request.root() ?? undefined,
      bodyLength: request.bodyLength(),
    };
    const store = await this.#admit(incoming, asks);
    if (asks.bodyLength > 0 && incoming.isConsumed) throw this.#consumed(incoming);
    if (incoming.gone.aborted) throw new Gone();
    const exchange = await asked(() => request.start(store));
    const answered = asked(() => exchange.answer());
    answered.catch(() => {}); // until it is awaited
    const giveUp = () => exchange.free();
    incoming.gone.addEventListener("abort", giveUp, { once: true });
    try {
      if (await asked(() => exchange.started())) await this.#feed(incoming, exchange, answered);
      // A commit may still happen after its client has disconnected; then onCommit must be called.
      if (asks.writes) incoming.gone.removeEventListener("abort", giveUp);
      exchange.end();
      const answer = await answered;
      await this.#tell(answer, incoming.request);
      return answer;
    } catch (error) {
      exchange.free();
      throw incoming.gone.aborted ? new Gone() : error;
    } finally {
      incoming.gone.removeEventListener("abort", giveUp);
    }
  }

  /** Returns the store for a request, if it is allowed. */
  async #admit({ request }: Incoming<R>, asks: UploadRequest): Promise<StoreHandle> {
    const { authorize, quota } = this.#options;
    const verdict = await authorize?.(request, asks);
    if (verdict === false) throw new Refusal(403, "forbidden");
    const refusal = asRefusal(verdict);
    if (refusal !== undefined) throw refusal;
    const chosen = storeHandleOf(verdict);
    if (chosen === undefined && verdict !== undefined && verdict !== true) {
      throw new TypeError(
        `authorize returned ${kindOf(verdict)} (expected a Store, a Refusal, a boolean or nothing)`,
      );
    }
    if (quota !== undefined && asks.writes && asks.bodyLength > 0) {
      const left = await quota(request, asks);
      if (typeof left !== "number" || Number.isNaN(left)) {
        throw new TypeError(`quota returned ${left} (expected a number)`);
      }
      if (asks.bodyLength > left) throw new Refusal(507, "insufficient_storage");
    }
    const store = chosen ?? (await this.#opened(request));
    if (store === undefined)
      throw new TypeError("there is no store: none was passed, and authorize returned none");
    return store;
  }

  async #opened(request: R): Promise<StoreHandle | undefined> {
    try {
      return await this.open();
    } catch (error) {
      this.report(error, request);
      const later = { "retry-after": "2" };
      throw new Refusal(503, "store_unavailable", "cannot open the store", later);
    }
  }

  /** Feeds the body to an exchange while it needs more. */
  async #feed(incoming: Incoming<R>, exchange: Exchange, answered: Promise<Answer>): Promise<void> {
    incoming.proceed();
    const untilAnswered = interruptible<Uint8Array | undefined>(answered.then(() => undefined));
    for (;;) {
      const piece = await within(this.stallTimeoutMs, untilAnswered(incoming.next()));
      if (piece === LATE) throw new Refusal(408, "request_timeout");
      if (piece === undefined) return;
      for (let at = 0; at < piece.length; at += PIECE) {
        const hasRoom = exchange.push(piece.subarray(at, at + PIECE));
        if (!hasRoom && !(await exchange.room())) return;
      }
    }
  }

  async #tell(answer: Answer, request: R): Promise<void> {
    const committed = answer.committed();
    if (committed === null) return;
    const { root, length, new: isNew } = committed;
    await this.#options.onCommit?.(root, length, { isNew, request });
  }

  #reply(answer: Answer, request: R): Reply {
    const cause = answer.cause();
    if (cause !== null) this.report(new StoreError(cause.code, cause.message), request);
    return { status: answer.status(), headers: answer.headers(), body: answer.body() };
  }

  #consumed({ request }: Incoming<R>): Refusal {
    const message = "the body was already read: mount the handler before body parsers";
    this.report(new Error(message), request);
    return new Refusal(501, "body_consumed", message); // a retry would not help
  }
}

/** Sets a header, ignoring the case of its name. */
function set(headers: string[], name: string, value: string): void {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() === name.toLowerCase()) headers.splice(at, 2);
  }
  headers.push(name, value);
}
