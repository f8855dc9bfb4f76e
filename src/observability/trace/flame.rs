//! Phases as spans in a folded file.

use super::spans::set_spans_enabled;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use tracing_flame::{FlameLayer, FlushGuard};
use tracing_subscriber::prelude::*;

/// Writes every phase to `./tracing.folded`, as [`setup_flamegraph_in`] does.
///
/// # Errors
/// As [`setup_flamegraph_in`].
pub fn setup_flamegraph() -> Result<FlamegraphGuard, FlamegraphError> {
    setup_flamegraph_in("tracing.folded")
}

/// Writes every phase to the file at `path`, as folded stacks in nanoseconds, from which
/// tools such as `inferno-flamegraph` draw an SVG.
///
/// The file is complete once the guard is dropped.
///
/// # Errors
/// [`FlamegraphError::File`] if the file cannot be created, [`FlamegraphError::SubscriberInstalled`]
/// if the program already has a subscriber.
pub fn setup_flamegraph_in(path: impl AsRef<Path>) -> Result<FlamegraphGuard, FlamegraphError> {
    let (layer, flush) = FlameLayer::with_file(path).map_err(FlamegraphError::File)?;
    let layer = layer.with_module_path(false).with_file_and_line(false);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .map_err(|_| FlamegraphError::SubscriberInstalled)?;
    set_spans_enabled(true);
    Ok(FlamegraphGuard { _flush: flush })
}

/// Writes the rest of the folded file when dropped, and ends the spans.
#[must_use = "the file is whole when this is dropped"]
pub struct FlamegraphGuard {
    _flush: FlushGuard<BufWriter<File>>,
}

impl Drop for FlamegraphGuard {
    fn drop(&mut self) {
        set_spans_enabled(false);
    }
}

impl core::fmt::Debug for FlamegraphGuard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlamegraphGuard").finish_non_exhaustive()
    }
}

/// Why the folded file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlamegraphError {
    /// The file cannot be created.
    #[error("cannot create the file of folded stacks")]
    File(#[source] tracing_flame::Error),
    /// The program already has a subscriber.
    #[error("a tracing subscriber is already installed")]
    SubscriberInstalled,
}

impl FlamegraphError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "flamegraph_file_failed",
            Self::SubscriberInstalled => "tracing_subscriber_installed",
        }
    }
}
