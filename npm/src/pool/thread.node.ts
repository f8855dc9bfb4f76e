import { Worker } from "node:worker_threads";
import type { Thread } from "./thread.js";

/** Starts the script at `url` as a {@link Thread} of Node. */
export function threadOf<M, R>(
  url: URL,
  onReply: (reply: R) => void,
  onDeath: (cause: unknown) => void,
): Thread<M> {
  // The flags of this process may be none that a worker takes.
  const worker = new Worker(url, { execArgv: [] });
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
}
