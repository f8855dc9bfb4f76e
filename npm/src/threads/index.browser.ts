// `chunker-cdc/threads` in pages and workers.

import "../index.browser.js";
import { threadOf } from "../pool/thread.browser.js";
import { setSpawn } from "./team.js";

setSpawn((onReport, onDeath) => {
  // Bundlers find the worker by this expression.
  const worker = new Worker(new URL("./member.browser.js", import.meta.url), { type: "module" });
  return threadOf(worker, onReport, onDeath);
}, navigator.hardwareConcurrency ?? 1);

export * from "./index.js";
