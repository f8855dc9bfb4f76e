// A worker of `chunker-wasm/pool` in Node.

import { parentPort } from "node:worker_threads";
import "../index.node.js";
import { serving } from "./worker.js";

const PIECE = 1024 * 1024;

/** A stream would have all of a blob in memory as its first piece. */
async function* slices(blob: Blob) {
  for (let at = 0; at < blob.size; at += PIECE) {
    yield new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer());
  }
}

parentPort?.on(
  "message",
  serving((reply, transfer) => parentPort?.postMessage(reply, transfer), slices),
);
