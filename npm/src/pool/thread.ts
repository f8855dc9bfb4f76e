// How workers are started. An entry file says it; everything else asks `spawn()`.

import { ChunkerError, invalidArgument } from "../errors.js";
import { module } from "../load.js";
import type { Order, Reply, Request } from "./messages.js";

/** A worker, of a page or of Node, that takes messages of type `M`. */
export interface Thread<M> {
  post(message: M, transfer: ArrayBuffer[]): void;
  /** Says whether the process has to wait for it. Pages never wait. */
  keepAlive(awaited: boolean): void;
  terminate(): Promise<void>;
}

/** Starts a worker. `onDeath` is called when it can no longer reply, and says why. */
export type Spawn<M, R> = (
  onReply: (reply: R) => void,
  onDeath: (cause: unknown) => void,
) => Thread<M>;

/** How many may be asked for; threads have stacks in one memory of at most 1 GiB. */
const MOST_WORKERS = 64;

/** What starts the workers of one script, and how many of them can work at once. */
export class Spawner<M, R> {
  #source: Spawn<M, R> | undefined;
  #cores = 1;

  /** Says how {@link spawn} starts workers, and how many can work at once. The first source wins. */
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
   * Returns how many workers the option `name` asks for: by default one for each core, but at most 4.
   *
   * @throws {ChunkerError} `invalid_argument`
   */
  readonly count = (
    name: string,
    wanted: number = Math.min(MOST_BY_DEFAULT, this.#cores),
  ): number => {
    if (!Number.isSafeInteger(wanted) || wanted < 1 || wanted > MOST_WORKERS) {
      throw invalidArgument(`${name} is not an integer in 1..=${MOST_WORKERS}`);
    }
    return wanted;
  };
}

const MOST_BY_DEFAULT = 4;

/** The workers of `chunker-cdc/pool`. */
export const { setSpawn, spawn, count } = new Spawner<Order, Reply>();

/** Starts a worker of `chunker-cdc/pool`, once the module is loaded, and hands it that. */
export const spawnLoaded: Spawn<Request, Reply> = (onReply, onDeath) => {
  const thread = spawn(onReply, onDeath);
  thread.post({ type: "load", module: module() }, []);
  return thread;
};
