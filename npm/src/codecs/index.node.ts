// `chunker-cdc/codecs` in Node: by the native addon, or else by the module, which is read from its file
// when it is first needed.

import { readFileSync } from "node:fs";
import { native } from "../addon.node.js";
import { setSyncSource, use } from "./load.js";

if (native !== undefined) use(native);
else setSyncSource(() => readFileSync(new URL("../chunker-codecs.wasm", import.meta.url)));

export * from "./index.js";
