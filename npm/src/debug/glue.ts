// The functions of the debug module: those of the default one, and `setDebug`. The build bundles
// `debug-bindgen.js`, written by wasm-bindgen, into this file.

export {
  default as init,
  Hasher,
  initSync,
  Manifest,
  PushChunker,
  remoteExecutionProfile,
  resolveProfile,
  setDebug,
} from "../debug-bindgen.js";
