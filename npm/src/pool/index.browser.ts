// `chunker-cdc/pool` in pages and workers.

import "../index.browser.js";
import { threadOf } from "./thread.browser.js";
import { setSpawn } from "./thread.js";

setSpawn(
  threadOf(
    // Bundlers find the worker by this expression.
    () => new Worker(new URL("./worker.browser.js", import.meta.url), { type: "module" }),
    () => import("#inline/pool-worker.browser"),
  ),
  navigator.hardwareConcurrency ?? 1,
);

export * from "./index.js";
