// What `bench-transfer.mjs` compares with: `bench-transfer-tus.mjs PEERS FOLDER` receives uploads by tus,
// and sends the files of the folder as they are.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";

const [peers, folder] = process.argv.slice(2);
const require = createRequire(`${resolve(peers)}/`);
const { Server } = require("@tus/server");
const { FileStore } = require("@tus/file-store");

const directory = join(folder, "tus");
const tus = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const server = createServer((request, response) => {
  if (request.method !== "GET") return tus.handle(request, response);
  const path = join(folder, basename(request.url));
  response.writeHead(200, { "content-length": statSync(path).size });
  createReadStream(path, { highWaterMark: 1 << 20 }).pipe(response);
});
server.listen(0, "127.0.0.1", () => process.send(server.address()));
