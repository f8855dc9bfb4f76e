// The public API. The entry files `index.node.ts`, `index.browser.ts` and `inline.ts` say where the
// WebAssembly module comes from.

export { type Backend, backend } from "./backend.js";
export { type ByteArray, type Bytes, fromHex, toHex } from "./bytes.js";
export { Chunk } from "./chunk.js";
export { Chunker } from "./chunker.js";
export { CHUNKER_ERROR_CODES, ChunkerError, type ChunkerErrorCode } from "./errors.js";
export { digest, Hasher } from "./hasher.js";
export { type LogLevel, setLogLevel } from "./log.js";
export {
  Manifest,
  type ManifestJson,
  type ParseOptions,
  type ReassembleOptions,
} from "./manifest.js";
export {
  type CodecTally,
  type DownloadTotals,
  type Metrics,
  metrics,
  type Tally,
  type UploadTotals,
} from "./metrics.js";
export type {
  ChunkerOptions,
  Progress,
  ReadOptions,
  ReadyOptions,
  SourceOptions,
} from "./options.js";
export { profile, remoteExecutionProfile } from "./profile.js";
export { ready } from "./ready.js";
export type { ByteSource } from "./source.js";
export {
  ChunkTransform,
  type ChunkWithPayload,
  chunk,
  chunks,
  chunksWithPayload,
} from "./stream.js";
export type { HashAlgorithm, ProfileFields, ProfileInput, ProfileName } from "./types.js";
export type { ChunkFetch } from "./verification.js";
