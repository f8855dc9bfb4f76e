// `chunker-cdc/threads` in Node.

import { availableParallelism } from "node:os";
import "../index.node.js";
import { threadOf } from "../pool/thread.node.js";
import { setSpawn } from "./team.js";

const member = new URL("./member.node.js", import.meta.url);
setSpawn((onReport, onDeath) => threadOf(member, onReport, onDeath), availableParallelism());

export * from "./index.js";
