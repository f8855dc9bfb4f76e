//! Node's native face of `chunker`, wrapped by the TypeScript of the npm package.
//!
//! Converts and dispatches, nothing else: defaults, ranges and algorithms are the core's. The classes and
//! functions of [`chunking`] and [`codecs`] are those of the WebAssembly modules (`wasm/src`), by the same
//! names, so that the same TypeScript runs on either; those of [`pipeline`], [`store`] and [`protocol`] are here
//! alone. Errors are JavaScript `Error`s with the core's or the store's `code`, and those of [`failure`].
//!
//! Synchronous functions read the caller's bytes in place; what goes on after they have returned works
//! on a copy. A panic becomes an error: each export says `catch_unwind`, and npm/test checks that.

#![allow(unsafe_code)] // only what napi's macros expand to: the calls of Node

mod bytes;
pub mod chunking;
pub mod codecs;
mod failure;
#[cfg(feature = "faults")]
pub mod faults;
mod fields;
mod number;
pub mod pipeline;
pub mod protocol;
mod runtime;
pub mod store;

use napi_derive::napi;
use std::num::NonZero;
use std::thread;
use tokio::runtime::Builder;

/// Limit for the threads that check chunks. They only compute, and never wait.
const CHECKERS: usize = 4;

/// Limits the runtime to one thread that settles promises, where the default is one per core, and to the
/// threads that check chunks, where the default is 512.
#[napi_derive::module_init]
fn init() {
    let checkers = thread::available_parallelism().map_or(1, NonZero::get).min(CHECKERS);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(checkers).thread_name("chunker-promises");
    if let Ok(runtime) = builder.build() {
        napi::bindgen_prelude::create_custom_tokio_runtime(runtime);
    }
}

/// Returns the version of this addon: that of the npm package which takes it.
#[napi(catch_unwind)]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Returns the name of the instruction set that finds cuts here.
#[napi(catch_unwind)]
#[must_use]
pub fn kernel() -> String {
    chunker::Acceleration::detect().scan.into()
}
