// A member of a team in a page.

import { discardBuffers } from "../discard.js";
import { STARTED } from "../pool/messages.js";
import { pieces } from "../source.js";
import { member } from "./member.js";
import type { Order, Report } from "./messages.js";

/** The parts of a worker's global scope used here: the types of the DOM know only the page's. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(report: Report | typeof STARTED, transfer: Transferable[]): void;
};

const obey = member(
  (report, transfer) => scope.postMessage(report, transfer),
  (blob) => pieces(blob, undefined),
);
scope.onmessage = ({ data }) => obey(data);
discardBuffers();
scope.postMessage(STARTED, []);
