//! Functions that panic, for tests of what becomes of that.

use napi_derive::napi;

/// Panics on the calling thread.
#[napi(catch_unwind)]
#[allow(clippy::panic, reason = "that is what it is for; napi copies an `expect`, and one is not met")]
pub fn fail() {
    panic!("on purpose");
}
