// `chunker-cdc/dedup` in Node.

import "../index.node.js";
import { setCodecs } from "./codecs.js";

setCodecs(() => import("../codecs/index.node.js"));

export * from "./index.js";
