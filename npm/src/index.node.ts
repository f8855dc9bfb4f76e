// `chunker-cdc` in Node: on the native addon, or else on the WebAssembly module, loaded when first
// needed.

import { createHash } from "node:crypto";
import { text as plain } from "#inline/chunker";
import { text as simd128 } from "#inline/chunker-simd128";
import { native } from "./addon.node.js";
import { setRunningSha256, useNoPlatform } from "./cutter/sha256.js";
import { setFiles } from "./file.js";
import { files } from "./file.node.js";
import { unpacked } from "./inline.node.js";
import { setSyncSource, simdSupported, use } from "./load.js";

setFiles(files);
if (native !== undefined) {
  use(native);
  useNoPlatform();
} else {
  setSyncSource(() => unpacked(simdSupported() ? simd128 : plain));
  setRunningSha256(() => createHash("sha256"));
}

export * from "./index.js";
