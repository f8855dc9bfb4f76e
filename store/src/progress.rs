//! Progress of long operations.

use std::fmt;
use std::sync::Arc;

/// The progress of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The current step.
    pub step: Step,
    /// Number of files, packs or chunks done.
    pub done: u64,
    /// Number of files, packs or chunks in all.
    pub total: u64,
}

/// A part of a long operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Reading manifests; counts files.
    ReadManifests,
    /// Checking packs; counts packs.
    CheckPacks,
    /// Copying live chunks out of packs that will be deleted; counts chunks.
    CopyChunks,
    /// Deleting packs; counts packs.
    DeletePacks,
}

/// A callback for progress.
#[derive(Clone, Default)]
pub(crate) struct Callback(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Callback {
    pub(crate) fn new(call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(call)))
    }

    pub(crate) fn report(&self, step: Step, done: u64, total: u64) {
        if let Some(call) = &self.0 {
            call(Progress { step, done, total });
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Callback" } else { "None" })
    }
}
