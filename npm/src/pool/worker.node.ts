// A worker of `chunker-cdc/pool` in Node.

import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { setRunningSha256 } from "../cutter/sha256.js";
import { slices } from "./blob.node.js";
import { working } from "./worker.js";

setRunningSha256(() => createHash("sha256"));
parentPort?.on(
  "message",
  working((reply, transfer) => parentPort?.postMessage(reply, transfer), slices),
);
