import { Worker } from "node:worker_threads";
import type { Spawn } from "./thread.js";

/** Returns what starts workers of Node with this script. */
export function threadOf<M, R>(script: string): Spawn<M, R> {
  return (onReply, onDeath) => {
    // The flags of this process may be none that a worker takes.
    const worker = new Worker(script, { eval: true, execArgv: [] });
    worker.on("message", onReply);
    worker.on("messageerror", onDeath);
    worker.on("error", onDeath);
    worker.on("exit", (code) => onDeath(new Error(`it exited with code ${code}`)));
    worker.unref();
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      keepAlive: (awaited) => (awaited ? worker.ref() : worker.unref()),
      terminate: async () => void (await worker.terminate()),
    };
  };
}
