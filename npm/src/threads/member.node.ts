// A member of a team in Node.

import { readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { slices } from "../pool/blob.node.js";
import { member } from "./member.js";

const file = new URL("../chunker-threads.wasm", import.meta.url);
parentPort?.on(
  "message",
  member(
    (report, transfer) => parentPort?.postMessage(report, transfer),
    slices,
    async () => new WebAssembly.Module(readFileSync(file)),
  ),
);
