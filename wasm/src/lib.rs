//! The JavaScript face of `chunker`, wrapped by the TypeScript of the npm package.
//!
//! Converts and dispatches, nothing else: defaults, ranges and algorithms are the core's. Errors are
//! JavaScript `Error`s with the core's `code`, and those of [`failure`]. A handle that was finished
//! says `chunker_closed`.
//!
//! Each feature is a WebAssembly module of its own: pages that only chunk do not download codecs.

mod bytes;
#[cfg(feature = "chunking")]
pub mod chunking;
#[cfg(feature = "codecs")]
pub mod codecs;
mod failure;
mod number;
