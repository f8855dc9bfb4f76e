// `chunker-cdc/dedup` in pages and workers.

import "../index.browser.js";
import { setCodecs } from "./codecs.js";
import { browserExchange } from "./exchange-fetch.js";
import { setPlatform } from "./platform.js";

setCodecs(() => import("../codecs/index.browser.js"));
setPlatform({ exchange: browserExchange(), blobs: true, byFetch: true });

export * from "./index.js";
