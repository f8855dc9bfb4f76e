// A worker of `chunker-cdc/pool` in a page.

import { discardBuffers } from "../discard.js";
import { pieces } from "../source.js";
import { type Order, type Reply, STARTED } from "./messages.js";
import { working } from "./worker.js";

/** The parts of a worker's global scope used here: the types of the DOM know only the page's. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(reply: Reply | typeof STARTED, transfer: Transferable[]): void;
};

const work = working(
  (reply, transfer) => scope.postMessage(reply, transfer),
  (blob) => pieces(blob, undefined),
);
scope.onmessage = ({ data }) => work(data);
discardBuffers();
scope.postMessage(STARTED, []);
