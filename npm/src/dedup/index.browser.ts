// `chunker-wasm/dedup` in pages and workers.

import "../index.browser.js";

export * from "./index.js";
