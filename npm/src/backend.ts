import { simdSupported } from "./load.js";
import { addon } from "./native.js";

/** What runs beneath the API; see {@link backend}. */
export type Backend = `native ${string}` | "wasm simd128" | "wasm";

/**
 * Returns what runs beneath this API: `native` with the instruction set that finds cuts, such as
 * `native avx512`; `wasm simd128`; or `wasm` where the engine lacks SIMD. The chunks are the same.
 *
 * Node uses a native addon if there is one for the platform. The environment variable
 * `CHUNKER_BACKEND` (`native` or `wasm`) forces one or the other.
 */
export function backend(): Backend {
  const native = addon();
  if (native !== undefined) return `native ${native.kernel()}`;
  return simdSupported() ? "wasm simd128" : "wasm";
}
