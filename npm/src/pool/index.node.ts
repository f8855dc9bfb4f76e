// `chunker-cdc/pool` in Node.

import { availableParallelism } from "node:os";
import { text } from "#inline/pool-worker.node";
import "../index.node.js";
import { setSpawn } from "./thread.js";
import { threadOf } from "./thread.node.js";

setSpawn(threadOf(text), availableParallelism());

export * from "./index.js";
