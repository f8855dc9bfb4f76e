// `chunker-cdc/dedup/server`: the receiving side of the upload protocol, and its store, for Node.

import "../index.node.js";

export { Refusal, STORE_ERROR_CODES, StoreError, type StoreErrorCode } from "./server/error.js";
export { createFetchHandler, type FetchHandler } from "./server/fetch.js";
export {
  createUploadHandler,
  createUploadServer,
  type UploadHandler,
  type UploadServer,
  type UploadServerOptions,
} from "./server/node.js";
export type {
  UploadHandlerOptions,
  UploadLimits,
  UploadOperation,
  UploadRequest,
  Verdict,
} from "./server/options.js";
export type { CheckReport, CollectReport, Damage } from "./server/reports.js";
export {
  type CheckOptions,
  type CollectOptions,
  type ReadFileOptions,
  Store,
  type StoreOptions,
} from "./server/store.js";
export type { StoredFile, Usage } from "./transport.js";
