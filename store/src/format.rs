//! The object `format`, which marks a store and its version.
//!
//! ```text
//! chunker-store 1
//! id 019ab3f0-7c00-7e2a-9d1c-3b5a0f1e2d3c
//! listing-lag 0
//! ```

use crate::name::TimeName;
use std::time::Duration;

/// The object's name.
pub(crate) const NAME: &str = "format";
/// Limit for the size of the object, in bytes.
pub(crate) const LONGEST: u64 = 1024;
/// The version of the store that this library reads and writes.
pub const VERSION: u32 = 1;

/// The facts on which all users of a store must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Distinguishes this store from another one that was in the same place before.
    pub(crate) id: TimeName,
    /// How long lists may lack an object after it is written, and still have it after it is deleted.
    pub(crate) listing_lag: Duration,
}

impl Format {
    pub(crate) fn to_text(self) -> String {
        let lag = self.listing_lag.as_millis();
        format!("chunker-store {VERSION}\nid {}\nlisting-lag {lag}\n", self.id)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::NotAStore)?;
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("chunker-store "));
        let version: u32 = version.and_then(|version| version.parse().ok()).ok_or(FormatError::NotAStore)?;
        if version != VERSION {
            return Err(FormatError::Version { version });
        }
        let mut value = |key: &str| {
            let line = lines.next()?.strip_prefix(key)?;
            line.strip_prefix(' ')
        };
        let id = value("id").and_then(|id| id.parse().ok()).ok_or(FormatError::NotAStore)?;
        let lag = value("listing-lag").and_then(|lag| lag.parse().ok()).ok_or(FormatError::NotAStore)?;
        if lines.next().is_some() {
            return Err(FormatError::NotAStore);
        }
        Ok(Self { id, listing_lag: Duration::from_millis(lag) })
    }
}

/// Why there is no store of this version at an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// There is no store, and [`create`](crate::StoreOptions::create) is off.
    #[error("there is no store at {url}")]
    NoStore {
        /// The address.
        url: String,
    },
    /// There is something else at the address.
    #[error("not a chunker store")]
    NotAStore,
    /// The store has another version.
    #[error("store version {version} is not supported (expected {VERSION})")]
    Version {
        /// The version of the store.
        version: u32,
    },
    /// The address of the store is invalid.
    #[error("{url} is not a store address: {reason}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FormatError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoStore { .. } => "store_not_found",
            Self::NotAStore => "not_a_store",
            Self::Version { .. } => "unsupported_store_version",
            Self::Address { .. } => "invalid_store_address",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_read_as_it_was_written_and_another_version_is_named() {
        let id = "019331c5-8f00-7000-8000-000000000005".parse().unwrap();
        let format = Format { id, listing_lag: Duration::from_millis(1500) };
        let text = format.to_text();
        assert_eq!(Format::parse(text.as_bytes()), Ok(format));
        let other = text.replace("store 1", "store 2");
        assert_eq!(Format::parse(other.as_bytes()), Err(FormatError::Version { version: 2 }));
        for other in ["", "x", "chunker-store", "chunker-store 1\n", &format!("{text}more\n"), "\u{fffd}"] {
            assert_eq!(Format::parse(other.as_bytes()), Err(FormatError::NotAStore), "{other:?}");
        }
        assert_eq!(Format::parse(&[0xff; 40]), Err(FormatError::NotAStore));
    }
}
