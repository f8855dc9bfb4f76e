// The functions of the threaded WebAssembly module. The build bundles `threads-bindgen.js`, written by
// wasm-bindgen, into this file; what starts wasm-bindgen-rayon's workers is `start-workers.ts` there.

export {
  initSync,
  initThreadPool,
  ParallelChunker,
  wbg_rayon_start_worker as runThread,
} from "../threads-bindgen.js";
