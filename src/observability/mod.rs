//! Observability: events, metrics and profiles.
//!
//! Nothing of it is compiled without its feature.
//!
//! | to | feature | use |
//! |---|---|---|
//! | see events, a sample of the chunks among them | `tracing` | [`tracing_utils`] |
//! | count and measure, for Prometheus, OpenTelemetry, … | `metrics` | [`metrics_utils`] |
//! | see where the time goes | `tracing` | `profiling`, `CHUNKER_PROFILE=1` |
//! | draw flame graphs | `flamegraph` | `profiling::setup_flamegraph` |
//!
//! The rest of the crate calls `hooks`, once per chunk or operation, never per byte.

#[cfg(feature = "metrics")]
mod batch;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod clock;
#[cfg(feature = "metrics")]
mod counting;
#[cfg_attr(any(feature = "tracing", feature = "metrics"), path = "hooks.rs")]
#[cfg_attr(not(any(feature = "tracing", feature = "metrics")), path = "no_hooks.rs")]
pub(crate) mod hooks;
#[cfg(feature = "metrics")]
mod latency;
pub mod metrics_utils;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod phase;
#[cfg(feature = "tracing")]
pub mod profiling;
#[cfg(feature = "tracing")]
mod subscriber;
pub mod tracing_utils;
