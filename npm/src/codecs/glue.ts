// The functions of the second WebAssembly module. The build bundles `codecs-bindgen.js`, written by
// wasm-bindgen, into this file.

export {
  Compressor,
  compress,
  compressAdaptive,
  Decompressor,
  default as init,
  detect,
  generateKey,
  initSync,
  NarInfo,
  NarInfoFile,
  NixPublicKey,
  NixSecretKey,
  nixBase32Decode,
  nixBase32Encode,
  nixHashDecode,
  nixHashEncode,
  publicKeyOf,
  ReferenceNormalizer,
  ReferencePatches,
  sign,
  signManifest,
  trainDictionary,
  verify,
  verifyManifest,
} from "../codecs-bindgen.js";
