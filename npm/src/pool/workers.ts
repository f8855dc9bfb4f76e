// The workers of a pool, and the segments each of them cuts.

import { ChunkerError } from "../errors.js";
import type { Reply, Request } from "./messages.js";
import type { Spawn, Thread } from "./thread.js";

/** Learns what becomes of a segment. */
export interface Listener {
  onReply(reply: Reply): void;
  /** The worker has ended. */
  onDeath(error: ChunkerError): void;
}

/** At most `limit` workers, started on demand. */
export class Workers {
  readonly limit: number;
  readonly #spawn: Spawn<Request, Reply>;
  readonly #workers = new Set<PoolWorker>();

  constructor(limit: number, spawn: Spawn<Request, Reply>) {
    this.limit = limit;
    this.#spawn = spawn;
  }

  /** Returns a worker without a segment, if there is one or another may start. */
  idle(): PoolWorker | undefined {
    for (const worker of this.#workers) if (worker.segments === 0) return worker;
    return this.#workers.size < this.limit ? this.#start() : undefined;
  }

  /** Returns the worker with the fewest segments. */
  leastBusy(): PoolWorker {
    const idle = this.idle();
    if (idle !== undefined) return idle;
    return [...this.#workers].reduce((least, worker) =>
      worker.segments < least.segments ? worker : least,
    );
  }

  async close(error: ChunkerError): Promise<void> {
    const workers = [...this.#workers];
    this.#workers.clear();
    await Promise.all(workers.map((worker) => worker.close(error)));
  }

  #start(): PoolWorker {
    const worker = new PoolWorker(this.#spawn, () => this.#workers.delete(worker));
    this.#workers.add(worker);
    return worker;
  }
}

/** A worker. */
export class PoolWorker {
  readonly #thread: Thread<Request>;
  readonly #listeners = new Map<number, Listener>();
  readonly #onEnd: () => void;
  #opened = 0;
  #awaited = 0;
  #ended = false;

  constructor(spawn: Spawn<Request, Reply>, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#thread = spawn(
      (reply) => this.#onReply(reply),
      (cause) => {
        const message = "a worker of the pool failed";
        void this.close(new ChunkerError("worker_failed", message, { cause }));
      },
    );
  }

  /** The number of segments it is cutting. */
  get segments(): number {
    return this.#listeners.size;
  }

  /** Starts a segment and returns its number. */
  open(
    opening: Omit<Extract<Request, { type: "open" }>, "type" | "segment">,
    to: Listener,
  ): number {
    const segment = this.#opened++;
    this.#listeners.set(segment, to);
    this.#thread.post({ type: "open", segment, ...opening }, []);
    return segment;
  }

  /** Sends a request that will be answered. */
  ask(request: Exclude<Request, { type: "open" | "close" }>): void {
    this.#await(1);
    this.#thread.post(request, request.type === "feed" ? [request.bytes.buffer] : []);
  }

  /** Drops a segment with `awaited` replies still to come. */
  end(segment: number, awaited: number): void {
    if (!this.#listeners.delete(segment)) return;
    this.#await(-awaited);
    this.#thread.post({ type: "close", segment }, []);
  }

  async close(error: ChunkerError): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const listener of listeners) listener.onDeath(error);
    await this.#thread.terminate();
  }

  #onReply(reply: Reply): void {
    const listener = this.#listeners.get(reply.segment);
    if (listener === undefined) return;
    this.#await(-1);
    listener.onReply(reply);
  }

  #await(replies: number): void {
    this.#awaited += replies;
    this.#thread.keepAlive(this.#awaited > 0);
  }
}
