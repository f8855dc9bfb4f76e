// `chunker-cdc/dedup` in pages and workers.

import "../index.browser.js";
import { setCodecs } from "./codecs.js";
import { browserExchange } from "./exchange-fetch.js";
import { setPlatform } from "./platform.js";

setCodecs(() => import("../codecs/index.browser.js"));
// Over HTTP/1.1, browsers open six connections to a server. Packs use up to five of them, counting those that wait for
// answers, which leaves one for questions and for the page.
setPlatform({ exchange: browserExchange(), blobs: true, byFetch: true, concurrency: 3 });

export * from "./index.js";
