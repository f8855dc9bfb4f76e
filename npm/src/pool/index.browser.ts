// `chunker-cdc/pool` in pages and workers.

import "../index.browser.js";
import { threadOf } from "./thread.browser.js";
import { setSpawn } from "./thread.js";

setSpawn((onReply, onDeath) => {
  // Bundlers find the worker by this expression.
  const worker = new Worker(new URL("./worker.browser.js", import.meta.url), { type: "module" });
  return threadOf(worker, onReply, onDeath);
}, navigator.hardwareConcurrency ?? 1);

export * from "./index.js";
