// `chunker-cdc/codecs` in Node: the module is read from its file when it is first needed.

import { readFileSync } from "node:fs";
import { setSyncSource } from "./load.js";

setSyncSource(() => readFileSync(new URL("../chunker-codecs.wasm", import.meta.url)));

export * from "./index.js";
