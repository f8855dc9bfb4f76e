// `chunker-wasm/dedup`: uploads that send only the chunks the server lacks. `docs/upload-protocol.md`
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
export {
  type ChunkEvent,
  type ChunkState,
  type UploadOptions,
  type UploadProgress,
  type UploadResult,
  upload,
} from "./upload.js";
