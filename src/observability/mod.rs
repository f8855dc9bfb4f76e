//! Observability: events, metrics and profiles.
//!
//! Each part is compiled only with its feature. Without it, `metrics/off.rs` and `trace/off.rs` take its
//! place and do nothing.
//!
//! | to | feature | use |
//! |---|---|---|
//! | see events, including a sample of the chunks | `tracing` | [`tracing_utils`] |
//! | count and measure, for Prometheus, OpenTelemetry, … | `metrics` | [`metrics_utils`] |
//! | see where the time goes | `tracing` | `profiling`, `CHUNKER_PROFILE=1` |
//! | see every phase as a span, in your own subscriber | `spans` | `tracing_utils::set_spans_enabled` |
//! | draw flame graphs | `flamegraph` | `profiling::setup_flamegraph` |
//!
//! The rest of the crate calls `hooks`, once per chunk or operation, never per byte.

#[cfg(any(feature = "tracing", feature = "metrics"))]
mod clock;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, unreachable_pub, reason = "only profiles name them"))]
mod phase;
#[cfg_attr(feature = "tracing", path = "trace/on.rs")]
#[cfg_attr(not(feature = "tracing"), path = "trace/off.rs")]
#[cfg_attr(
    not(all(feature = "rayon", feature = "zstd")),
    allow(dead_code, unused_imports, reason = "what only other features call")
)]
mod trace;
#[cfg_attr(feature = "metrics", path = "metrics/on.rs")]
#[cfg_attr(not(feature = "metrics"), path = "metrics/off.rs")]
#[cfg_attr(
    not(all(feature = "rayon", feature = "zstd")),
    allow(dead_code, unused_imports, reason = "what only other features call")
)]
mod metrics;
#[cfg_attr(
    not(all(feature = "rayon", feature = "zstd")),
    allow(dead_code, unused_imports, reason = "what only other features call")
)]
pub(crate) mod hooks;
pub mod metrics_utils;
pub mod tracing_utils;

#[cfg(feature = "tracing")]
pub use trace::profiling;
