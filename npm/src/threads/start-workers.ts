// Starts the workers of wasm-bindgen-rayon. Replaces the crate's own script, which works only in pages and
// starts all workers at once.

import type { Instance } from "./messages.js";

/** The thread pool in the making, as wasm-bindgen-rayon hands it over. */
export interface PoolBuilder {
  /** The address in the module's memory of the channel that each worker waits on. */
  receiver(): number;
  /** Builds the pool from the waiting workers. */
  build(): void;
}

/** Starts the workers; resolves once all of them wait for the pool. */
export type StartWorkers = (instance: Instance) => Promise<void>;

let start: StartWorkers = async () => {
  throw new Error("setStart() was not called");
};

/** Sets how workers are started. */
export function setStart(workers: StartWorkers): void {
  start = workers;
}

/** Called by `initThreadPool` of the module. */
export async function startWorkers(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  builder: PoolBuilder,
): Promise<void> {
  await start({ module, memory, receiver: builder.receiver() });
  builder.build();
}
