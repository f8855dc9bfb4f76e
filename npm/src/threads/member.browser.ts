// A member of a team in a page.

import { pieces } from "../source.js";
import { member } from "./member.js";
import type { Order, Report } from "./messages.js";

/** The parts of a worker's global scope used here: the types of the DOM know only the page's. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(report: Report, transfer: Transferable[]): void;
};

const obey = member(
  (report, transfer) => scope.postMessage(report, transfer),
  (blob) => pieces(blob, undefined),
  // Bundlers find the file by this expression.
  () => compiled(new URL("../chunker-threads.wasm", import.meta.url)),
);
scope.onmessage = ({ data }) => obey(data);

async function compiled(url: URL): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: status ${response.status}`);
  // Not while it is fetched: servers may say a wrong type.
  return WebAssembly.compile(await response.arrayBuffer());
}
