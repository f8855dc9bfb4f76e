//! The phases of a pipeline.

use core::fmt;

/// A phase of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Finding cut points.
    FastCdc,
    /// Computing digests.
    Hashing,
    /// Compressing.
    Compression,
    /// Waiting for a reader.
    IoWait,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 4] = [Self::FastCdc, Self::Hashing, Self::Compression, Self::IoWait];

    /// Returns the phase's name: `fastcdc`, `hashing`, `compression` or `io_wait`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FastCdc => "fastcdc",
            Self::Hashing => "hashing",
            Self::Compression => "compression",
            Self::IoWait => "io_wait",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
