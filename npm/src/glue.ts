// The functions of the WebAssembly module. The build bundles `bindgen.js`, written by wasm-bindgen,
// into this file.

export {
  default as init,
  Hasher,
  initSync,
  Manifest,
  PushChunker,
  remoteExecutionProfile,
  resolveProfile,
} from "./bindgen.js";
