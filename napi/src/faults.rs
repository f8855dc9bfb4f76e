//! Functions that panic, for tests of what becomes of that.

use napi_derive::napi;

/// Panics on the calling thread.
#[napi(catch_unwind)]
#[expect(clippy::panic, reason = "that is what it is for")]
pub fn fail() {
    panic!("on purpose");
}
