// `chunker-wasm/dedup/server`: the receiving side of the upload protocol, for Node.

import "../index.node.js";

export { DiskChunkStore } from "./server/disk-store.js";
export {
  type CorsOptions,
  createUploadHandler,
  createUploadServer,
  type UploadHandler,
  type UploadHandlerOptions,
  type UploadLimits,
} from "./server/handler.js";
export type { ChunkStore } from "./server/store.js";
