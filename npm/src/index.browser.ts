// `chunker-cdc` in pages and workers: the module is fetched from beside this file by `ready()`.

import { setSource, simdSupported } from "./load.js";

// Bundlers find the files by these two expressions.
setSource(() =>
  fetch(
    simdSupported()
      ? new URL("./chunker-simd128.wasm", import.meta.url)
      : new URL("./chunker.wasm", import.meta.url),
  ),
);

export * from "./index.js";
