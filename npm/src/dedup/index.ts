// `chunker-cdc/dedup`: uploads that send only the chunks the server lacks. `docs/upload-protocol.md`
// specifies what goes over the wire.

export { type DownloadOptions, type DownloadProgress, download } from "./download.js";
export { DedupError, type DedupErrorCode, type DedupErrorDetails } from "./error.js";
export { HttpTransport, type HttpTransportOptions } from "./http-transport.js";
export type { ChunkEncoding, MissingAnswer } from "./protocol.js";
export {
  type ConfirmedChunk,
  IndexedDbResumeStore,
  type IndexedDbResumeStoreOptions,
  MemoryResumeStore,
  type ResumeStore,
} from "./resume.js";
export type { RetryEvent, RetryOptions } from "./retry.js";
export type { ChunkBody, RequestOptions, Transport } from "./transport.js";
export { upload } from "./upload.js";
export type {
  ChunkEvent,
  ChunkState,
  UploadOptions,
  UploadProgress,
  UploadResult,
} from "./upload-options.js";
