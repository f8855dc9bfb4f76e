// `chunker-cdc/codecs` in pages and workers: the module is fetched from beside this package's files
// when it is first needed.

import { setSource } from "./load.js";

// Bundlers find the file by this expression.
setSource(() => fetch(new URL("../chunker-codecs.wasm", import.meta.url)));

export * from "./index.js";
