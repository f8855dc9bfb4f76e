// `chunker-cdc` in Node: on the native addon, or else on the WebAssembly module, loaded when first
// needed.

import { native } from "./addon.node.js";
import { useNoPlatform } from "./cutter/sha256.js";
import { setFiles } from "./file.js";
import { files } from "./file.node.js";
import { use } from "./load.js";
import { useModule } from "./module.node.js";

setFiles(files);
if (native !== undefined) {
  use(native);
  useNoPlatform();
} else {
  useModule();
}

export * from "./index.js";
