// `chunker-cdc` in pages and workers: `ready()` fetches the module from next to this file.

import { discardBuffers } from "./discard.js";
import { unpacked } from "./inline.browser.js";
import { setSource, simdSupported } from "./load.js";

discardBuffers();
setSource(
  // Bundlers find the files through these two expressions.
  () =>
    fetch(
      simdSupported()
        ? new URL("./chunker-simd128.wasm", import.meta.url)
        : new URL("./chunker.wasm", import.meta.url),
    ),
  () => unpacked(simdSupported() ? import("#inline/chunker-simd128") : import("#inline/chunker")),
);

export * from "./index.js";
