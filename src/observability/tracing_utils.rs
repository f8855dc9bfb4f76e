//! Events of [`tracing`](https://docs.rs/tracing), of which those of chunks are sampled.
//!
//! Without the feature `tracing` the macro [`trace_sampled!`](crate::trace_sampled) is nothing. With
//! it, and switched off, a trace point is one relaxed load; switched on, it counts on its own thread
//! and looks at the level and its arguments only when a sample is due.

#[cfg(feature = "tracing")]
pub use super::subscriber::*;
pub use crate::trace_sampled;

/// Writes an event of level `TRACE` at one of `$rate` passes: the first of each thread, then every
/// `$rate`th.
///
/// What follows the rate, a `u64` of at least 1, is as in `tracing::trace!`. Every place where the
/// macro stands counts for itself.
///
/// ```
/// use chunker::tracing_utils::trace_sampled;
///
/// let (offset, length) = (0, 4096);
/// trace_sampled!(1024, offset = offset, length = length, "chunk_emitted");
/// ```
#[cfg(feature = "tracing")]
#[macro_export]
macro_rules! trace_sampled {
    ($rate:expr, $($event:tt)*) => {
        if $crate::tracing_utils::is_tracing_enabled() {
            ::std::thread_local! {
                static LEFT: ::core::cell::Cell<u64> = const { ::core::cell::Cell::new(0) };
            }
            let left = LEFT.get();
            if left == 0 {
                let rate: u64 = $rate;
                LEFT.set(rate.saturating_sub(1));
                $crate::tracing_utils::__tracing::trace!($($event)*);
            } else {
                LEFT.set(left - 1);
            }
        }
    };
}

/// Nothing: the crate was built without its feature `tracing`.
#[cfg(not(feature = "tracing"))]
#[macro_export]
macro_rules! trace_sampled {
    ($rate:expr, $($event:tt)*) => {};
}
