// `chunker-wasm/pool` in Node.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import "../index.node.js";
import { type Spawn, setSpawn } from "./thread.js";

const spawn: Spawn = (onReply, onDeath) => {
  // The flags of this process may be none that a worker takes.
  const worker = new Worker(new URL("./worker.node.js", import.meta.url), { execArgv: [] });
  worker.on("message", onReply);
  worker.on("messageerror", onDeath);
  worker.on("error", onDeath);
  worker.on("exit", (code) => onDeath(new Error(`it exited with code ${code}`)));
  worker.unref();
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    keepAlive: (awaited) => (awaited ? worker.ref() : worker.unref()),
    terminate: async () => void (await worker.terminate()),
  };
};
setSpawn(spawn, availableParallelism());

export * from "./index.js";
