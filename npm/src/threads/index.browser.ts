// `chunker-cdc/threads` in pages and workers.

import "../index.browser.js";
import { unpacked } from "../inline.browser.js";
import { threadOf } from "../pool/thread.browser.js";
import { setSource } from "./load.js";
import { setSpawn } from "./team.js";

setSource(
  // Bundlers find the files by this expression and the next one.
  () => fetch(new URL("../chunker-threads.wasm", import.meta.url)),
  () => unpacked(import("#inline/chunker-threads")),
);
setSpawn(
  threadOf(
    () => new Worker(new URL("./member.browser.js", import.meta.url), { type: "module" }),
    () => import("#inline/threads-member.browser"),
  ),
  navigator.hardwareConcurrency ?? 1,
);

export * from "./index.js";
