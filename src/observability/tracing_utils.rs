//! Events of [`tracing`](https://docs.rs/tracing), those of chunks sampled, and spans of the phases.
//!
//! Without the feature `tracing`, the macro [`trace_sampled!`](crate::trace_sampled) does nothing. With it, a
//! trace point that is switched off costs one relaxed load. Switched on, it counts on its own thread, and
//! looks at the level and its arguments only when a sample is due.
//!
//! With the feature `spans`, `set_spans_enabled` makes every [phase](crate::profiling::Phase) a span for the
//! program's own subscriber.

#[cfg(feature = "spans")]
pub use super::trace::spans::{are_spans_enabled, set_spans_enabled};
#[cfg(feature = "tracing")]
pub use super::trace::subscriber::*;
pub use crate::trace_sampled;
