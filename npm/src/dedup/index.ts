// `chunker-cdc/dedup`: transfers of only what the receiving side lacks. `docs/protocol.md` specifies what goes
// over the wire.

export { Download, download } from "./download.js";
export type { ByteRange, DownloadOptions, DownloadProgress } from "./download-options.js";
export { DedupError, type DedupErrorCode, type DedupErrorDetails } from "./error.js";
export { deleteFile, type FilesOptions, listFiles, usage } from "./files.js";
export { HttpTransport, type HttpTransportOptions } from "./http-transport.js";
export type { LocalSource } from "./local.js";
export type { RetryEvent, RetryOptions } from "./retry.js";
export type { Destination, SeekableStream } from "./sink.js";
export type {
  Body,
  CommitOptions,
  FilesAnswer,
  MissingAnswer,
  PutOptions,
  ReadChunksOptions,
  ReadFileOptions,
  RequestOptions,
  StoredFile,
  Transport,
  Usage,
} from "./transport.js";
export { Upload, type UploadState, upload } from "./upload.js";
export type {
  ChunkEncoding,
  ChunkEvent,
  ChunkState,
  CommonUploadOptions,
  UploadOptions,
  UploadProgress,
  UploadResult,
} from "./upload-options.js";
export {
  type QueuedUploadOptions,
  type QueueProgress,
  UploadQueue,
  type UploadQueueOptions,
} from "./upload-queue.js";
export type { Limits } from "./wire.js";
