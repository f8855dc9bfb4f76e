// The public API, without a WebAssembly module: `index.node.ts` and `index.browser.ts` say where that
// comes from.

export type { Bytes } from "../bytes.js";
export { CHUNKER_ERROR_CODES, ChunkerError, type ChunkerErrorCode } from "../errors.js";
export {
  type Adapted,
  type Codec,
  type CompressOptions,
  compress,
  compressAdaptive,
  type DecompressOptions,
  decompress,
  decompressAuto,
  detectCodec,
  type LevelOptions,
  trainDictionary,
} from "./compression.js";
export {
  NarInfo,
  type NarInfoFields,
  NixPublicKey,
  NixSecretKey,
  nixBase32Decode,
  nixBase32Encode,
} from "./nix.js";
export { ready } from "./ready.js";
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
