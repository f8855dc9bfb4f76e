// `chunker-cdc/threads` in Node.

import { availableParallelism } from "node:os";
import { text as threads } from "#inline/chunker-threads";
import { text as member } from "#inline/threads-member.node";
import "../index.node.js";
import { unpacked } from "../inline.node.js";
import { threadOf } from "../pool/thread.node.js";
import { setSource } from "./load.js";
import { setSpawn } from "./team.js";

setSource(async () => unpacked(threads));
setSpawn(threadOf(member), availableParallelism());

export * from "./index.js";
