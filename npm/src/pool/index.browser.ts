// `chunker-wasm/pool` in pages and workers.

import "../index.browser.js";
import { type Spawn, setSpawn } from "./thread.js";

const spawn: Spawn = (onReply, onDeath) => {
  // Bundlers find the worker by this expression.
  const worker = new Worker(new URL("./worker.browser.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => onReply(data);
  worker.onmessageerror = () => onDeath(new Error("a reply could not be cloned"));
  worker.onerror = (event) => {
    event.preventDefault();
    onDeath(event.error ?? new Error(event.message || "its script could not be loaded"));
  };
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    keepAlive: () => {},
    terminate: async () => worker.terminate(),
  };
};
setSpawn(spawn, navigator.hardwareConcurrency ?? 1);

export * from "./index.js";
