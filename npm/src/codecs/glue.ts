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
  NixPublicKey,
  NixSecretKey,
  nixBase32Decode,
  nixBase32Encode,
  publicKeyOf,
  sign,
  signManifest,
  trainDictionary,
  verify,
  verifyManifest,
} from "../codecs-bindgen.js";
