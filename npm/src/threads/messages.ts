// What a team and its members say to each other. One member leads: it is sent the requests that a
// worker of a pool has. The others are the threads that help it.

import type { Failure, Reply, Request } from "../pool/messages.js";

/** The module and the memory that all members have. */
export interface Instance {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** The address in the memory of what a thread waits at until the pool is made. */
  receiver: number;
}

/** To a member. The first says what it is; all others are for the one that leads. */
export type Order =
  | { type: "lead"; threads: number; module: WebAssembly.Module }
  | { type: "help"; instance: Instance }
  /** All threads are ready: the one that leads may work. */
  | { type: "begin" }
  | Request;

/** From a member: `ready` from one that helps, all others from the one that leads. */
export type Report =
  /** It has begun, and hears nothing more. */
  | { type: "ready" }
  /** It waits for its threads. */
  | { type: "started"; instance: Instance }
  | { type: "failed"; failure: Failure }
  | { type: "reply"; reply: Reply };
