//! The subscriber of events, its level, and the switch of the trace points.

use core::num::NonZeroU64;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::OnceLock;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

#[doc(hidden)]
pub use tracing as __tracing;

static ENABLED: AtomicBool = AtomicBool::new(false);
static SAMPLE_RATE: AtomicU64 = AtomicU64::new(1024);
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Installs a subscriber that writes events up to `level` to standard output, and switches the
/// trace points on.
///
/// Directives of `RUST_LOG` for single targets still apply. Returns whether it was installed: if
/// the program already has a subscriber, that one stays, its levels apply, and
/// [`set_tracing_enabled`] switches the trace points.
pub fn init_tracing(level: Level) -> bool {
    let (filter, handle) = reload::Layer::new(filter(level));
    let format = tracing_subscriber::fmt::layer().with_target(false);
    let installed = tracing_subscriber::registry().with(filter).with(format);
    if tracing::subscriber::set_global_default(installed).is_err() {
        return false;
    }
    let first = FILTER.set(handle).is_ok();
    set_tracing_enabled(true);
    first
}

/// Changes the level of the subscriber of [`init_tracing`], and returns whether there is one.
pub fn set_tracing_level(level: Level) -> bool {
    FILTER.get().is_some_and(|handle| handle.reload(filter(level)).is_ok())
}

fn filter(level: Level) -> EnvFilter {
    EnvFilter::from_default_env().add_directive(LevelFilter::from_level(level).into())
}

/// Switches the trace points on or off.
pub fn set_tracing_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Release);
}

/// Returns whether the trace points are on.
#[inline]
#[must_use]
pub fn is_tracing_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Makes every thread trace one chunk in `rate`; 1024 by default.
///
/// A thread that is counting to the old rate first finishes that count.
pub fn set_trace_sample_rate(rate: NonZeroU64) {
    SAMPLE_RATE.store(rate.get(), Ordering::Relaxed);
}

/// Returns the rate of [`set_trace_sample_rate`].
#[must_use]
pub fn trace_sample_rate() -> u64 {
    SAMPLE_RATE.load(Ordering::Relaxed)
}
