// `chunker-cdc/dedup` in Node.

import "../index.node.js";
import { setCodecs } from "./codecs.js";
import { nodeExchange } from "./exchange-node.js";
import { readAgain, readFile, writeFile } from "./local-node.js";
import { setPlatform } from "./platform.js";

setCodecs(() => import("../codecs/index.node.js"));
setPlatform({
  exchange: nodeExchange,
  blobs: false,
  byFetch: false,
  concurrency: 6,
  readFile,
  readAgain,
  writeFile,
});

export * from "./index.js";
