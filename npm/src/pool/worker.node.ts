// A worker of `chunker-cdc/pool` in Node.

import { parentPort } from "node:worker_threads";
import "../index.node.js";
import { slices } from "./blob.node.js";
import { createCutter, serving } from "./worker.js";

parentPort?.on(
  "message",
  serving(
    (reply, transfer) => parentPort?.postMessage(reply, transfer),
    slices,
    async () => createCutter,
  ),
);
