// `chunker-cdc/pool` in Node.

import { availableParallelism } from "node:os";
import "../index.node.js";
import { setSpawn } from "./thread.js";
import { threadOf } from "./thread.node.js";

const worker = new URL("./worker.node.js", import.meta.url);
setSpawn((onReply, onDeath) => threadOf(worker, onReply, onDeath), availableParallelism());

export * from "./index.js";
