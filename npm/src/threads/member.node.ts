// A member of a team in Node.

import { parentPort } from "node:worker_threads";
import { slices } from "../pool/blob.node.js";
import { member } from "./member.js";

parentPort?.on(
  "message",
  member((report, transfer) => parentPort?.postMessage(report, transfer), slices),
);
