// The public API. The entry files `index.node.ts` and `index.browser.ts` say where the WebAssembly module
// comes from.

export type { ByteArray, Bytes } from "../bytes.js";
export { CHUNKER_ERROR_CODES, ChunkerError, type ChunkerErrorCode } from "../errors.js";
export type { ReadyOptions } from "../options.js";
export type { Codec } from "../types.js";
export {
  type Adapted,
  compress,
  compressAdaptive,
  decompress,
  decompressAuto,
  detectCodec,
  trainDictionary,
} from "./compression.js";
export {
  formatNarInfo,
  NarInfo,
  type NarInfoFields,
  type NarInfoFile,
  type NixHashFormat,
  NixPublicKey,
  NixSecretKey,
  nixBase32Decode,
  nixBase32Encode,
  nixHashDecode,
  nixHashEncode,
  type ParsedNarInfoFile,
  parseNarInfo,
} from "./nix.js";
export type { CompressOptions, DecompressOptions, LevelOptions } from "./options.js";
export { ready } from "./ready.js";
export { ReferenceNormalizer, ReferencePatches } from "./references.js";
export {
  generateKeypair,
  type Keypair,
  sign,
  signManifest,
  toBase64,
  verify,
  verifyManifest,
} from "./signing.js";
export { CompressTransform, DecompressTransform } from "./transform.js";
