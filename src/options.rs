//! Chunk sizes: defaults, ranges and errors.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The highest normalization level.
pub(crate) const LEVEL_LIMIT: u8 = 3;

/// The smallest, average and largest size of a chunk, in bytes; always valid.
///
/// Each size is even, and `64 ≤ min ≤ avg ≤ max`, `avg ≤ 16 MiB`, `max ≤ 1 GiB`. The
/// [`Default`] is 256 KiB / 1 MiB / 4 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkingOptions {
    min_size: usize,
    avg_size: usize,
    max_size: usize,
}

impl ChunkingOptions {
    /// The smallest allowed `min_size`: the 64 bytes that a 64-bit gear hash can remember.
    pub const MIN_SIZE_LIMIT: usize = 64;
    /// The largest allowed `avg_size`: 16 MiB, where the published table of masks ends.
    pub const AVG_SIZE_LIMIT: usize = 16 * MIB;
    /// The largest allowed `max_size`: 1 GiB.
    pub const MAX_SIZE_LIMIT: usize = 1024 * MIB;

    pub(crate) const DEFAULT: Self = match Self::resolve(None, None, None) {
        Ok(options) => options,
        Err(_) => unreachable!(), // evaluated when compiled
    };

    /// Returns options with the given sizes in bytes; `None` stands for the default size.
    ///
    /// # Errors
    /// [`OptionsError`] if a size is odd or out of range, or the three are not in order. Nothing
    /// is rounded or clamped.
    pub const fn resolve(
        min_size: Option<usize>,
        avg_size: Option<usize>,
        max_size: Option<usize>,
    ) -> Result<Self, OptionsError> {
        let min_size = or(min_size, 256 * KIB);
        let avg_size = or(avg_size, MIB);
        let max_size = or(max_size, 4 * MIB);
        if min_size < Self::MIN_SIZE_LIMIT {
            return Err(OptionsError::MinTooSmall { min_size });
        }
        if avg_size > Self::AVG_SIZE_LIMIT {
            return Err(OptionsError::AvgTooLarge { avg_size });
        }
        if max_size > Self::MAX_SIZE_LIMIT {
            return Err(OptionsError::MaxTooLarge { max_size });
        }
        if min_size > avg_size || avg_size > max_size {
            return Err(OptionsError::NotInOrder { min_size, avg_size, max_size });
        }
        if !min_size.is_multiple_of(2) || !avg_size.is_multiple_of(2) || !max_size.is_multiple_of(2) {
            return Err(OptionsError::Odd { min_size, avg_size, max_size });
        }
        Ok(Self { min_size, avg_size, max_size })
    }

    /// The smallest size of a chunk in bytes; only the last chunk of an input may be smaller.
    #[must_use]
    pub const fn min_size(&self) -> usize {
        self.min_size
    }

    /// The size in bytes at which normalized chunking changes from its strict to its loose mask.
    #[must_use]
    pub const fn avg_size(&self) -> usize {
        self.avg_size
    }

    /// The largest size of a chunk in bytes.
    #[must_use]
    pub const fn max_size(&self) -> usize {
        self.max_size
    }
}

/// `Option::unwrap_or`, which is not yet `const`.
const fn or(size: Option<usize>, default: usize) -> usize {
    match size {
        Some(size) => size,
        None => default,
    }
}

impl Default for ChunkingOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why sizes or a normalization level are invalid. All sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// `min_size` is below [`ChunkingOptions::MIN_SIZE_LIMIT`].
    #[error("min_size {min_size} is below {}", ChunkingOptions::MIN_SIZE_LIMIT)]
    MinTooSmall {
        /// The size asked for.
        min_size: usize,
    },
    /// `avg_size` is above [`ChunkingOptions::AVG_SIZE_LIMIT`].
    #[error("avg_size {avg_size} is above {}", ChunkingOptions::AVG_SIZE_LIMIT)]
    AvgTooLarge {
        /// The size asked for.
        avg_size: usize,
    },
    /// `max_size` is above [`ChunkingOptions::MAX_SIZE_LIMIT`].
    #[error("max_size {max_size} is above {}", ChunkingOptions::MAX_SIZE_LIMIT)]
    MaxTooLarge {
        /// The size asked for.
        max_size: usize,
    },
    /// The sizes are not in the order `min_size ≤ avg_size ≤ max_size`.
    #[error("sizes are out of order: min {min_size}, avg {avg_size}, max {max_size}")]
    NotInOrder {
        /// The smallest size asked for.
        min_size: usize,
        /// The average size asked for.
        avg_size: usize,
        /// The largest size asked for.
        max_size: usize,
    },
    /// A size is odd: FastCDC v2020 tests positions in pairs.
    #[error("sizes must be even: min {min_size}, avg {avg_size}, max {max_size}")]
    Odd {
        /// The smallest size asked for.
        min_size: usize,
        /// The average size asked for.
        avg_size: usize,
        /// The largest size asked for.
        max_size: usize,
    },
    /// The normalization level is above 3.
    #[error("normalization level {level} is above {LEVEL_LIMIT}")]
    LevelTooLarge {
        /// The level asked for.
        level: u8,
    },
    /// The average size is too large for this level: the published table of masks ends before it.
    #[error("avg_size {avg_size} is too large for normalization level {level}")]
    NoMask {
        /// The average size asked for, in bytes.
        avg_size: usize,
        /// The level asked for.
        level: u8,
    },
    /// The average size is outside the range of the Remote Execution API: 1 KiB to 1 MiB.
    #[error("avg_size {avg_size} is not from 1024 to 1048576")]
    RemoteExecutionAvg {
        /// The average size asked for, in bytes.
        avg_size: usize,
    },
}

impl OptionsError {
    /// The stable, machine-readable name of this error: `invalid_chunking_options`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_chunking_options"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_256_kib_1_mib_4_mib() {
        let options = ChunkingOptions::default();
        let sizes = (options.min_size(), options.avg_size(), options.max_size());
        assert_eq!(sizes, (262_144, 1_048_576, 4_194_304));
    }

    #[test]
    fn every_edge_of_every_range_is_where_it_is_documented() {
        let resolve = |min, avg, max| ChunkingOptions::resolve(Some(min), Some(avg), Some(max));
        let (avg_limit, max_limit) = (16 << 20, 1 << 30);
        assert!(resolve(64, 128, 256).is_ok());
        assert!(resolve(1024, 1024, 1024).is_ok());
        assert!(resolve(64, 64, 64).is_ok());
        assert!(resolve(avg_limit, avg_limit, max_limit).is_ok());
        assert_eq!(resolve(62, 128, 256), Err(OptionsError::MinTooSmall { min_size: 62 }));
        assert_eq!(resolve(0, 0, 0), Err(OptionsError::MinTooSmall { min_size: 0 }));
        let above = avg_limit + 2;
        assert_eq!(resolve(64, above, above), Err(OptionsError::AvgTooLarge { avg_size: above }));
        let above = max_limit + 2;
        assert_eq!(resolve(64, 128, above), Err(OptionsError::MaxTooLarge { max_size: above }));
        assert!(matches!(resolve(256, 128, 512), Err(OptionsError::NotInOrder { .. })));
        assert!(matches!(resolve(64, 512, 256), Err(OptionsError::NotInOrder { .. })));
        for odd in [(65, 128, 256), (64, 129, 256), (64, 128, 257)] {
            assert!(matches!(resolve(odd.0, odd.1, odd.2), Err(OptionsError::Odd { .. })));
        }
        for huge in [u32::MAX as usize, usize::MAX] {
            assert!(resolve(huge, huge, huge).is_err());
        }
    }
}
