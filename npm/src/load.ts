// Loads the default module: chunks, digests and manifests.

import * as glue from "./glue.js";
import { Loader } from "./loader.js";

/** A module with one function that uses a `v128`: it is valid where SIMD is supported. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

/** Whether this engine can run the simd128 build of the module. */
export function simdSupported(): boolean {
  return WebAssembly.validate(SIMD_PROBE);
}

export const { setSource, setSyncSource, module, load, core, use } = new Loader(glue);
