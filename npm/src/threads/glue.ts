// The functions of the threaded WebAssembly module. The build bundles `threads-bindgen.js`, written by
// wasm-bindgen, into this file.

export { initSync, ParallelChunker, runThread, startPool } from "../threads-bindgen.js";
