// How workers are started. An entry file says it; everything else asks `spawn()`.

import { ChunkerError } from "../errors.js";
import type { Reply, Request } from "./messages.js";

/** A worker, of a page or of Node. */
export interface Thread {
  post(request: Request, transfer: ArrayBuffer[]): void;
  /** Says whether the process has to wait for it. Pages never wait. */
  keepAlive(awaited: boolean): void;
  terminate(): Promise<void>;
}

/** Starts a worker. `onDeath` is called when it can no longer reply, and says why. */
export type Spawn = (onReply: (reply: Reply) => void, onDeath: (cause: unknown) => void) => Thread;

let source: Spawn | undefined;
let parallelism = 1;

/** Says how {@link spawn} starts workers, and how many can work at once. The first source wins. */
export function setSpawn(from: Spawn, cores: number): void {
  if (source !== undefined) return;
  source = from;
  parallelism = cores;
}

/** How many workers can work at once. */
export function cores(): number {
  return parallelism;
}

/** @throws {ChunkerError} `worker_failed` when no worker can be started; `cause` says why. */
export const spawn: Spawn = (onReply, onDeath) => {
  try {
    if (source === undefined) throw new Error("no entry file of the package was imported");
    return source(onReply, onDeath);
  } catch (cause) {
    throw new ChunkerError("worker_failed", "a worker could not be started", { cause });
  }
};
