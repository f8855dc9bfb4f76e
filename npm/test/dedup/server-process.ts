// A receiving server as a process of its own, for `servers.ts`: `server-process.js ROOT PORT`.

import { createUploadServer, DiskChunkStore } from "chunker-cdc/dedup/server";

const [root = "", port = "0"] = process.argv.slice(2);
const server = createUploadServer({ store: await DiskChunkStore.open(root) });
server.listen(Number(port), "127.0.0.1", () => process.send?.(server.address()));
