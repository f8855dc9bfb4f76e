// The workers of a pool, and the runs that each of them cuts.

import { ChunkerError } from "../errors.js";
import type { Reply, Request } from "./messages.js";
import type { Spawn, Thread } from "./thread.js";

/** Who is told what becomes of a run. */
export interface Listener {
  onReply(reply: Reply): void;
  /** The worker is gone. */
  onDeath(error: ChunkerError): void;
}

/** At most `limit` workers, started when they are needed. */
export class Seats {
  readonly limit: number;
  readonly #spawn: Spawn<Request, Reply>;
  readonly #seats = new Set<Seat>();

  constructor(limit: number, spawn: Spawn<Request, Reply>) {
    this.limit = limit;
    this.#spawn = spawn;
  }

  /** Returns a worker that has no run, if there is one. */
  idle(): Seat | undefined {
    for (const seat of this.#seats) if (seat.runs === 0) return seat;
    return this.#seats.size < this.limit ? this.#start() : undefined;
  }

  /** Returns the worker with the fewest runs. */
  leastBusy(): Seat {
    const idle = this.idle();
    if (idle !== undefined) return idle;
    return [...this.#seats].reduce((least, seat) => (seat.runs < least.runs ? seat : least));
  }

  async close(error: ChunkerError): Promise<void> {
    const seats = [...this.#seats];
    this.#seats.clear();
    await Promise.all(seats.map((seat) => seat.close(error)));
  }

  #start(): Seat {
    const seat = new Seat(this.#spawn, () => this.#seats.delete(seat));
    this.#seats.add(seat);
    return seat;
  }
}

/** A worker. */
export class Seat {
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
        const message = "a worker of the pool has failed";
        void this.close(new ChunkerError("worker_failed", message, { cause }));
      },
    );
  }

  /** How many runs it has. */
  get runs(): number {
    return this.#listeners.size;
  }

  /** Begins a run and returns its number. */
  open(opening: Omit<Extract<Request, { type: "open" }>, "type" | "run">, to: Listener): number {
    const run = this.#opened++;
    this.#listeners.set(run, to);
    this.#thread.post({ type: "open", run, ...opening }, []);
    return run;
  }

  /** Sends a request that has a reply. */
  ask(request: Exclude<Request, { type: "open" | "close" }>): void {
    this.#await(1);
    this.#thread.post(request, request.type === "feed" ? [request.bytes.buffer] : []);
  }

  /** Ends a run, of which `awaited` replies are still to come. */
  end(run: number, awaited: number): void {
    if (!this.#listeners.delete(run)) return;
    this.#await(-awaited);
    this.#thread.post({ type: "close", run }, []);
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
    const listener = this.#listeners.get(reply.run);
    if (listener === undefined) return;
    this.#await(-1);
    listener.onReply(reply);
  }

  #await(replies: number): void {
    this.#awaited += replies;
    this.#thread.keepAlive(this.#awaited > 0);
  }
}
