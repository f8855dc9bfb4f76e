// `chunker-cdc/debug` in pages and workers.

import "../index.browser.js";
import { observeWholeSha256 } from "../cutter/sha256.js";
import { unpacked } from "../inline.browser.js";
import { load as loadDefault } from "../load.js";
import { beginSpan } from "../spans.js";
import { setPreparation } from "./index.js";
import { setSource } from "./load.js";

setSource(
  // Bundlers find the file by this expression.
  () => fetch(new URL("../chunker-debug.wasm", import.meta.url)),
  () => unpacked(import("#inline/chunker-debug")),
);
setPreparation(async () => {
  // The workers of a pool run the default module.
  await loadDefault();
  observeWholeSha256((bytes) => beginSpan("trace", "hashing", { bytes }));
});

export * from "./index.js";
