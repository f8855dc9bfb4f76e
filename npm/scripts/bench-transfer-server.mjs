// The server for Node of `bench-transfer.mjs`: `bench-transfer-server.mjs STORE`.

import { createUploadServer } from "chunker-cdc/dedup/server";

const { server } = await createUploadServer({ store: process.argv[2] });
process.send(server.address());
