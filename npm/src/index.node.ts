// `chunker-cdc` in Node: the module is loaded when it is first needed.

import { createHash } from "node:crypto";
import { text as plain } from "#inline/chunker";
import { text as simd128 } from "#inline/chunker-simd128";
import { unpacked } from "./inline.node.js";
import { setSyncSource, simdSupported } from "./load.js";
import { setRunningSha256 } from "./sha256.js";

setSyncSource(() => unpacked(simdSupported() ? simd128 : plain));
setRunningSha256(() => createHash("sha256"));

export * from "./index.js";
