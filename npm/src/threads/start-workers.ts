// Starts the workers of wasm-bindgen-rayon, in place of the crate's own script, which does so in pages alone
// and all at once.

import type { Instance } from "./messages.js";

/** The thread pool in the making, as wasm-bindgen-rayon hands it over. */
export interface PoolBuilder {
  /** The address in the module's memory of what each worker is to wait at. */
  receiver(): number;
  /** Makes the pool of the workers that wait. */
  build(): void;
}

/** Resolves when all workers wait for the pool. */
export type StartWorkers = (instance: Instance) => Promise<void>;

let start: StartWorkers = async () => {
  throw new Error("nothing starts workers");
};

/** Says what starts workers. */
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
