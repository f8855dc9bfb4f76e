// A worker of `chunker-cdc/pool` in a page.

import "../index.browser.js";
import { load } from "../load.js";
import { pieces } from "../source.js";
import type { Reply, Request } from "./messages.js";
import { createCutter, serving } from "./worker.js";

/** The parts of a worker's global scope used here: the types of the DOM know only the page's. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Request>) => void;
  postMessage(reply: Reply, transfer: Transferable[]): void;
};

const serve = serving(
  (reply, transfer) => scope.postMessage(reply, transfer),
  (blob) => pieces(blob, undefined),
  () => load().then(() => createCutter),
);
scope.onmessage = ({ data }) => serve(data);
