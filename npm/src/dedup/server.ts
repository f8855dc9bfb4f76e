// `chunker-cdc/dedup/server`: the receiving side of the upload protocol, for Node.

import "../index.node.js";

export { DiskChunkStore } from "./server/disk-store.js";
export { createUploadHandler, createUploadServer, type UploadHandler } from "./server/handler.js";
export type { CorsOptions, UploadHandlerOptions, UploadLimits } from "./server/options.js";
export type { ChunkStore } from "./server/store.js";
