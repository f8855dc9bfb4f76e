// What a team and its members say to each other. One member leads: it is sent the requests that a
// worker of a pool has. The others are the threads that help it.

import type { Failure, Reply, Request } from "../pool/messages.js";

/** The module and the memory that all members have. */
export interface Instance {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** To a member. The first says what it is; requests are for the one that leads. */
export type Order =
  | { type: "lead"; threads: number }
  | { type: "help"; instance: Instance }
  | Request;

/** From the member that leads. */
export type Report =
  /** It waits for its threads. */
  | { type: "started"; instance: Instance }
  | { type: "failed"; failure: Failure }
  | { type: "reply"; reply: Reply };
