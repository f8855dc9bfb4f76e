// `chunker-cdc` in Node: by the native addon, or else by the module, which is read from its file when the
// package is imported.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { native } from "./addon.node.js";
import { setFiles } from "./file.js";
import { files } from "./file.node.js";
import { loadSync, simdSupported, use } from "./load.js";
import { setRunningSha256, useNoPlatform } from "./sha256.js";

setFiles(files);
if (native !== undefined) {
  use(native);
  useNoPlatform();
} else {
  const file = simdSupported() ? "./chunker-simd128.wasm" : "./chunker.wasm";
  loadSync(readFileSync(new URL(file, import.meta.url)));
  setRunningSha256(() => createHash("sha256"));
}

export * from "./index.js";
