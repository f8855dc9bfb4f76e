// `chunker-cdc` in Node: the module is read from its file when the package is imported.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { loadSync, simdSupported } from "./load.js";
import { setRunningSha256 } from "./sha256.js";

const file = simdSupported() ? "./chunker-simd128.wasm" : "./chunker.wasm";
loadSync(readFileSync(new URL(file, import.meta.url)));
setRunningSha256(() => createHash("sha256"));

export * from "./index.js";
