//! Profile ids: names that two sides compare to know that they cut alike.

use crate::hashing::HashAlgorithm;
use crate::options::{ChunkingOptions, OptionsError};
use core::fmt;
use core::str::FromStr;

/// The cut points of FastCDC v2020 with Normalization Level 1 and the unseeded gear table. They never
/// change; another algorithm would have another name.
const ALGORITHM: &str = "fastcdc-v2020/nc1/";

/// All that decides the chunks of an input and their digests.
///
/// Its text is the canonical profile id, for example
/// `fastcdc-v2020/nc1/262144-1048576-4194304/sha256`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The sizes of chunks.
    pub options: ChunkingOptions,
    /// The algorithm of the chunks' digests.
    pub hash: HashAlgorithm,
}

impl fmt::Display for ChunkingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, avg, max) = (self.min_size(), self.avg_size(), self.max_size());
        write!(f, "{ALGORITHM}{min}-{avg}-{max}")
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.options, self.hash)
    }
}

impl FromStr for ChunkingOptions {
    type Err = ProfileError;

    /// Parses a profile id without the name of a digest.
    fn from_str(id: &str) -> Result<Self, ProfileError> {
        let sizes = id.strip_prefix(ALGORITHM).ok_or(ProfileError::Unknown)?;
        let mut sizes = sizes.split('-').map(canonical_size);
        let mut size = || sizes.next().flatten().ok_or(ProfileError::Unknown);
        let (min, avg, max) = (size()?, size()?, size()?);
        if sizes.next().is_some() {
            return Err(ProfileError::Unknown);
        }
        Ok(Self::resolve(Some(min), Some(avg), Some(max))?)
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    /// Parses a profile id with the name of a digest.
    fn from_str(id: &str) -> Result<Self, ProfileError> {
        let (options, hash) = id.rsplit_once('/').ok_or(ProfileError::Unknown)?;
        let hash = hash.parse().map_err(|_| ProfileError::Unknown)?;
        Ok(Self { options: options.parse()?, hash })
    }
}

/// Parses a decimal without sign or leading zeros, so that equal profiles have equal ids.
fn canonical_size(digits: &str) -> Option<usize> {
    let canonical = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    let digits = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits).filter(|_| canonical)?;
    Some(digits.parse().unwrap_or(usize::MAX)) // too large for the target: too large for a chunk
}

/// Why a text is not a profile id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Not the canonical id of an algorithm that this library has.
    #[error("unknown profile id")]
    Unknown,
    /// The sizes are not allowed.
    #[error("profile id with sizes that are not allowed")]
    Options(#[from] OptionsError),
}

impl ProfileError {
    /// The stable, machine-readable name of this error: `unknown_profile` or
    /// `invalid_chunking_options`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_profile",
            Self::Options(error) => error.code(),
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_names_its_profile_and_nothing_else() {
        let id = "fastcdc-v2020/nc1/262144-1048576-4194304/sha256";
        assert_eq!(Profile::default().to_string(), id);
        assert_eq!(id.parse(), Ok(Profile::default()));
        assert_eq!(
            "fastcdc-v2020/nc1/64-256-1024".parse(),
            ChunkingOptions::resolve(Some(64), Some(256), Some(1024)).map_err(Into::into)
        );
        for unknown in [
            "",
            "/",
            "fastcdc-v2020/nc1/64-256-1024",
            "fastcdc-v2020/nc1/64-256-1024/md5",
            "fastcdc-v2020/nc1/64-256-1024/SHA256",
            "fastcdc-v2020/nc1/64-256-1024/sha256 ",
            "fastcdc-v2020/nc1/064-256-1024/sha256",
            "fastcdc-v2020/nc1/+64-256-1024/sha256",
            "fastcdc-v2020/nc1/64-256/sha256",
            "fastcdc-v2020/nc1/64-256-1024-2048/sha256",
            "fastcdc-v2020/nc2/64-256-1024/sha256",
            "fastcdc-v2016/nc1/64-256-1024/sha256",
        ] {
            assert_eq!(unknown.parse::<Profile>(), Err(ProfileError::Unknown), "{unknown:?}");
        }
        assert_eq!(ProfileError::Unknown.code(), "unknown_profile");
        let huge = "fastcdc-v2020/nc1/64-256-99999999999999999999/sha256".parse::<Profile>();
        assert!(matches!(huge, Err(ProfileError::Options(OptionsError::MaxTooLarge { .. }))));
        let odd = "fastcdc-v2020/nc1/65-256-1024/sha256".parse::<Profile>();
        assert!(matches!(odd, Err(ProfileError::Options(OptionsError::Odd { .. }))));
        assert_eq!(odd.map_err(|error| error.code()), Err("invalid_chunking_options"));
    }
}
