//! Bytes to JavaScript.

use crate::failure::Failure;
use napi::Env;
use napi::bindgen_prelude::Uint8ArraySlice;

/// Returns a copy of `bytes` in a buffer of JavaScript's: Electron allows no other.
pub(crate) fn copied<'env>(env: &'env Env, bytes: &[u8]) -> Result<Uint8ArraySlice<'env>, Failure> {
    Uint8ArraySlice::copy_from(env, bytes).map_err(|_| Failure::memory(bytes.len()))
}
