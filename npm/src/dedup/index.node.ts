// `chunker-wasm/dedup` in Node.

import "../index.node.js";

export * from "./index.js";
