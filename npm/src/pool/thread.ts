// How workers are started: an entry file calls `setSpawn()`, everything else `spawn()`.

import { ChunkerError } from "../errors.js";
import { module } from "../load.js";
import { checkInteger } from "../options.js";
import type { Order, Reply, Request } from "./messages.js";

/** A worker, in a page or in Node, that takes messages of type `M`. */
export interface Thread<M> {
  post(message: M, transfer: ArrayBuffer[]): void;
  /** Sets whether the process waits for it. Pages never wait. */
  keepAlive(awaited: boolean): void;
  terminate(): Promise<void>;
}

/** Starts a worker. `onDeath` is called with the reason when it can no longer reply. */
export type Spawn<M, R> = (
  onReply: (reply: R) => void,
  onDeath: (cause: unknown) => void,
) => Thread<M>;

/** The stacks of all threads share one memory of at most 1 GiB. */
const MOST_WORKERS = 64;

/** Starts the workers of one script. */
export class Spawner<M, R> {
  #source: Spawn<M, R> | undefined;
  #cores = 1;

  /** Sets how {@link spawn} starts workers, and how many can run at once. The first call wins. */
  readonly setSpawn = (from: Spawn<M, R>, cores: number): void => {
    if (this.#source !== undefined) return;
    this.#source = from;
    this.#cores = cores;
  };

  /** @throws {ChunkerError} `worker_failed` when no worker can be started; `cause` says why. */
  readonly spawn: Spawn<M, R> = (onReply, onDeath) => {
    try {
      if (this.#source === undefined) throw new Error("no entry file of the package was imported");
      return this.#source(onReply, onDeath);
    } catch (cause) {
      throw new ChunkerError("worker_failed", "a worker could not be started", { cause });
    }
  };

  /**
   * Returns the number of workers that the option `name` asks for. Default: one per core, but at most 4.
   *
   * @throws {ChunkerError} `invalid_argument`
   */
  readonly count = (
    name: string,
    wanted: number = Math.min(MOST_BY_DEFAULT, this.#cores),
  ): number => {
    checkInteger(name, wanted, 1, MOST_WORKERS);
    return wanted;
  };
}

const MOST_BY_DEFAULT = 4;

/** The workers of `chunker-cdc/pool`. */
export const { setSpawn, spawn, count } = new Spawner<Order, Reply>();

/** Starts a worker of `chunker-cdc/pool` and sends it the module, which must be loaded. */
export const spawnLoaded: Spawn<Request, Reply> = (onReply, onDeath) => {
  const thread = spawn(onReply, onDeath);
  thread.post({ type: "load", module: module() }, []);
  return thread;
};
