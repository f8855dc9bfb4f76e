// `chunker-cdc/codecs` in pages and workers: the module is fetched from beside this package's files
// when it is first needed.

import { unpacked } from "../inline.browser.js";
import { setSource } from "./load.js";

setSource(
  // Bundlers find the file by this expression.
  () => fetch(new URL("../chunker-codecs.wasm", import.meta.url)),
  () => unpacked(import("#inline/chunker-codecs")),
);

export * from "./index.js";
