// The functions of the threaded WebAssembly module. The build bundles `threads-bindgen.js`, written by
// wasm-bindgen, into this file, where it imports `start-workers.ts` to start wasm-bindgen-rayon's workers.

export {
  initSync,
  initThreadPool,
  ParallelChunker,
  wbg_rayon_start_worker as runThread,
} from "../threads-bindgen.js";
