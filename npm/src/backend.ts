import { simdSupported } from "./load.js";
import { addon } from "./native.js";

/** What does the work: see {@link backend}. */
export type Backend = `native ${string}` | "wasm simd128" | "wasm";

/**
 * Returns what does the work beneath this API: `native` and the instruction set that finds cuts, such as
 * `native avx512`, or `wasm simd128`, or `wasm` where the engine lacks SIMD. The chunks are the same.
 *
 * In Node it is a native addon where there is one for the platform. The environment variable
 * `CHUNKER_BACKEND`, `native` or `wasm`, allows nothing else.
 */
export function backend(): Backend {
  const native = addon();
  if (native !== undefined) return `native ${native.kernel()}`;
  return simdSupported() ? "wasm simd128" : "wasm";
}
