// `chunker-cdc/dedup` in pages and workers.

import "../index.browser.js";
import { setCodecs } from "./codecs.js";

setCodecs(() => import("../codecs/index.browser.js"));

export * from "./index.js";
