// `chunker-wasm` in Node: the module is read from its file when the package is imported.

import { readFileSync } from "node:fs";
import { loadSync, simdSupported } from "./load.js";

const file = simdSupported() ? "./chunker-simd128.wasm" : "./chunker.wasm";
loadSync(readFileSync(new URL(file, import.meta.url)));

export * from "./index.js";
