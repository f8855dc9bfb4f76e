//! Profiles: everything that determines the chunks of an input, under a name that two sides can compare.

use crate::algorithm::HashAlgorithm;
use crate::gear::Masks;
use crate::options::{ChunkingOptions, LEVEL_LIMIT, OptionsError};
use core::fmt;
use core::str::FromStr;

/// FastCDC 2020 with the gear table and the masks of the `fastcdc` crate. Its cut points never change;
/// another algorithm would have another name.
const ALGORITHM: &str = "fastcdc-v2020";

/// Everything that determines the chunks of an input and their digests: chunk sizes, the normalization
/// level and the seed of FastCDC 2020, and the hash algorithm.
///
/// Two sides with equal profiles find equal chunks, in every language and every later release. The text
/// of a profile is its id, for example `fastcdc-v2020/nc1/262144-1048576-4194304/sha256`, or
/// `fastcdc-v2020/nc2/seed666/4096-16384-65536/blake3`; equal profiles have equal ids, and
/// [`FromStr`] accepts nothing else.
///
/// ```
/// use chunker::Profile;
/// use chunker::hashing::HashAlgorithm;
///
/// let profile = Profile::new(4096, 16384, 65536)?.level(2)?.seed(666).hash(HashAlgorithm::Blake3);
/// assert_eq!(profile.to_string(), "fastcdc-v2020/nc2/seed666/4096-16384-65536/blake3");
/// assert_eq!(profile.to_string().parse(), Ok(profile));
/// # Ok::<(), chunker::chunking::OptionsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    options: ChunkingOptions,
    level: u8,
    seed: u64,
    hash: HashAlgorithm,
}

impl Profile {
    /// The highest normalization level: 3.
    pub const LEVEL_LIMIT: u8 = LEVEL_LIMIT;

    /// 256 KiB / 1 MiB / 4 MiB, level 1, SHA-256: the default, for files of many megabytes.
    pub const LARGE: Self = Self::with_options(ChunkingOptions::DEFAULT);
    /// 16 KiB / 64 KiB / 256 KiB, level 1, SHA-256: finds more duplicates, at the cost of more chunks.
    pub const MEDIUM: Self = Self::valid(16 << 10, 64 << 10, 256 << 10);
    /// 4 KiB / 16 KiB / 64 KiB, level 1, SHA-256: for small files, and edits of a few bytes.
    pub const SMALL: Self = Self::valid(4 << 10, 16 << 10, 64 << 10);

    /// Returns a profile with the given sizes in bytes, normalization level 1, no seed, and SHA-256.
    ///
    /// # Errors
    /// As [`ChunkingOptions::resolve`].
    pub const fn new(min_size: usize, avg_size: usize, max_size: usize) -> Result<Self, OptionsError> {
        match ChunkingOptions::resolve(Some(min_size), Some(avg_size), Some(max_size)) {
            Ok(options) => Ok(Self::with_options(options)),
            Err(error) => Err(error),
        }
    }

    /// Returns the profile of the Remote Execution API's `FAST_CDC_2020` for an average size in bytes:
    /// chunks from a quarter of it to four times of it, normalization level 2, and SHA-256.
    ///
    /// The API recommends 512 KiB. Clients and servers that share a cache must use the same
    /// [`seed`](Self::seed), by default 0.
    ///
    /// # Errors
    /// [`OptionsError::RemoteExecutionAvg`] outside of `1 KiB..=1 MiB`, [`OptionsError::Odd`].
    pub const fn remote_execution(avg_size: usize) -> Result<Self, OptionsError> {
        if avg_size < 1 << 10 || avg_size > 1 << 20 {
            return Err(OptionsError::RemoteExecutionAvg { avg_size });
        }
        match Self::new(avg_size / 4, avg_size, 4 * avg_size) {
            Ok(profile) => profile.level(2),
            Err(error) => Err(error),
        }
    }

    /// Returns the profile named `large`, `medium` or `small`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "large" => Some(Self::LARGE),
            "medium" => Some(Self::MEDIUM),
            "small" => Some(Self::SMALL),
            _ => None,
        }
    }

    /// Returns this profile with another normalization level, `0..=3`: the higher it is, the closer the
    /// lengths of chunks are to the average (Xia et al., USENIX ATC '16, §3.4).
    ///
    /// Level `n` tests `n` more bits than `avg_size` calls for before that size, and `n` fewer after it. For
    /// averages so small that no bits are left to test after it (below 91 bytes at level 2, below 182 at
    /// level 3), every chunk that is not cut before `avg_size` is cut there.
    ///
    /// # Errors
    /// [`OptionsError::LevelTooLarge`]; [`OptionsError::NoMask`] when the average is too large for this
    /// level: above 11,863,283 bytes at level 2, above 5,931,641 at level 3.
    pub const fn level(self, level: u8) -> Result<Self, OptionsError> {
        if level > Self::LEVEL_LIMIT {
            return Err(OptionsError::LevelTooLarge { level });
        }
        let avg_size = self.options.avg_size();
        match Masks::normalized(avg_size, level) {
            Some(_) => Ok(Self { level, ..self }),
            None => Err(OptionsError::NoMask { avg_size, level }),
        }
    }

    /// Returns this profile with another seed, which is XORed into every entry of the gear table; 0, the
    /// default, leaves the table unchanged.
    ///
    /// Another seed gives other cut points. It does **not** protect against fingerprinting: anyone
    /// who sees the lengths of a few chunks of known content can compute it (Alexeev, Percival and Zhang,
    /// "Chunking Attacks on File Backup Services using Content-Defined Chunking", 2025).
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Returns this profile with another hash algorithm.
    #[must_use]
    pub const fn hash(self, hash: HashAlgorithm) -> Self {
        Self { hash, ..self }
    }

    /// The sizes of chunks.
    #[must_use]
    pub const fn options(&self) -> ChunkingOptions {
        self.options
    }

    /// The normalization level, `0..=3`.
    #[must_use]
    pub const fn normalization_level(&self) -> u8 {
        self.level
    }

    /// The number that the entries of the gear table are XORed with; 0 leaves them unchanged.
    #[must_use]
    pub const fn gear_seed(&self) -> u64 {
        self.seed
    }

    /// The algorithm of the chunks' digests.
    #[must_use]
    pub const fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    pub(crate) const fn masks(&self) -> Masks {
        match Masks::normalized(self.options.avg_size(), self.level) {
            Some(masks) => masks,
            None => unreachable!(), // `level` refuses what has no masks, and every average has some at level 1
        }
    }

    const fn with_options(options: ChunkingOptions) -> Self {
        Self { options, level: 1, seed: 0, hash: HashAlgorithm::Sha256 }
    }

    const fn valid(min_size: usize, avg_size: usize, max_size: usize) -> Self {
        match Self::new(min_size, avg_size, max_size) {
            Ok(profile) => profile,
            Err(_) => unreachable!(), // evaluated when compiled
        }
    }
}

impl Default for Profile {
    /// Returns [`LARGE`](Self::LARGE).
    fn default() -> Self {
        Self::LARGE
    }
}

impl From<ChunkingOptions> for Profile {
    /// Returns the profile with these sizes, normalization level 1, no seed, and SHA-256.
    fn from(options: ChunkingOptions) -> Self {
        Self::with_options(options)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}/nc{}/", self.level)?;
        if self.seed != 0 {
            write!(f, "seed{}/", self.seed)?;
        }
        let options = self.options;
        write!(f, "{}-{}-{}/{}", options.min_size(), options.avg_size(), options.max_size(), self.hash)
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    /// Parses a profile id.
    fn from_str(id: &str) -> Result<Self, ProfileError> {
        let mut segments = id.split('/');
        let mut next = || segments.next().ok_or(ProfileError::Unknown);
        if next()? != ALGORITHM {
            return Err(ProfileError::Unknown);
        }
        let level = match next()? {
            "nc0" => 0,
            "nc1" => 1,
            "nc2" => 2,
            "nc3" => 3,
            _ => return Err(ProfileError::Unknown),
        };
        let mut sizes = next()?;
        let seed = match sizes.strip_prefix("seed") {
            None => 0,
            Some(seed) => {
                sizes = next()?;
                canonical(seed).ok_or(ProfileError::Unknown)?.parse().map_err(|_| ProfileError::Unknown)?
            }
        };
        let hash = next()?.parse().map_err(|_| ProfileError::Unknown)?;
        if segments.next().is_some() {
            return Err(ProfileError::Unknown);
        }
        let mut sizes = sizes.split('-').map(|digits| {
            // Too large for the target is too large for a chunk.
            canonical(digits).map(|digits| digits.parse().unwrap_or(usize::MAX))
        });
        let mut size = || sizes.next().flatten().ok_or(ProfileError::Unknown);
        let (min, avg, max) = (size()?, size()?, size()?);
        if sizes.next().is_some() {
            return Err(ProfileError::Unknown);
        }
        Ok(Self::new(min, avg, max)?.level(level)?.seed(seed).hash(hash))
    }
}

/// Returns `digits` if they are a positive decimal without sign or leading zeros, so that equal profiles
/// have equal ids.
fn canonical(digits: &str) -> Option<&str> {
    let starts = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    (starts && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

#[cfg(feature = "serde")]
impl serde::Serialize for Profile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Profile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        id.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a profile id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The text is not the canonical id of a profile that this library supports.
    #[error("unknown profile id")]
    Unknown,
    /// The sizes or the normalization level are out of range.
    #[error("invalid profile id")]
    Options(#[source] OptionsError),
}

impl From<OptionsError> for ProfileError {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
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
        for unknown in [
            "",
            "/",
            "fastcdc-v2020/nc1/64-256-1024",
            "fastcdc-v2020/nc1/64-256-1024/md5",
            "fastcdc-v2020/nc1/64-256-1024/SHA256",
            "fastcdc-v2020/nc1/64-256-1024/sha256 ",
            "fastcdc-v2020/nc1/64-256-1024/sha256/",
            "fastcdc-v2020/nc1/064-256-1024/sha256",
            "fastcdc-v2020/nc1/+64-256-1024/sha256",
            "fastcdc-v2020/nc1/64-256/sha256",
            "fastcdc-v2020/nc1/64-256-1024-2048/sha256",
            "fastcdc-v2020/nc4/64-256-1024/sha256",
            "fastcdc-v2020/nc01/64-256-1024/sha256",
            "fastcdc-v2020/nc1/seed0/64-256-1024/sha256",
            "fastcdc-v2020/nc1/seed/64-256-1024/sha256",
            "fastcdc-v2020/nc1/seed007/64-256-1024/sha256",
            "fastcdc-v2020/nc1/seed-1/64-256-1024/sha256",
            "fastcdc-v2020/nc1/seed18446744073709551616/64-256-1024/sha256",
            "fastcdc-v2020/seed7/nc1/64-256-1024/sha256",
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
        let maskless = "fastcdc-v2020/nc3/64-16777216-16777216/sha256".parse::<Profile>();
        assert!(matches!(maskless, Err(ProfileError::Options(OptionsError::NoMask { level: 3, .. }))));
    }

    #[test]
    fn every_level_and_seed_has_an_id_of_its_own() {
        let mut ids = alloc::collections::BTreeSet::new();
        for base in [Profile::LARGE, Profile::MEDIUM, Profile::SMALL] {
            for level in 0..=Profile::LEVEL_LIMIT {
                for seed in [0, 1, 10, 666, u64::MAX] {
                    for hash in HashAlgorithm::ALL {
                        let profile = base.level(level).expect("a mask").seed(seed).hash(hash);
                        let id = profile.to_string();
                        assert_eq!(id.parse(), Ok(profile), "{id}");
                        assert!(ids.insert(id.clone()), "{id}");
                    }
                }
            }
        }
        assert_eq!(ids.len(), 3 * 4 * 5 * 2);
    }

    #[test]
    fn a_level_needs_masks_on_both_sides_of_the_average() {
        let level = |avg_size, level| Profile::new(64, avg_size, 16 << 20).expect("sizes").level(level);
        assert!(level(16 << 20, 1).is_ok());
        assert_eq!(level(16 << 20, 2), Err(OptionsError::NoMask { avg_size: 16 << 20, level: 2 }));
        for (boundary, number) in [(11_863_283, 2), (5_931_641, 3)] {
            assert!(level(boundary / 2 * 2 - 2, number).is_ok());
            assert!(level(boundary / 2 * 2 + 2, number).is_err());
        }
        assert_eq!(level(256, 4), Err(OptionsError::LevelTooLarge { level: 4 }));
        for number in 0..=3 {
            assert!(level(64, number).is_ok());
        }
    }

    #[test]
    fn the_remote_execution_api_derives_its_sizes_from_the_average() {
        let profile = Profile::remote_execution(512 << 10).expect("the recommended average");
        assert_eq!(profile.to_string(), "fastcdc-v2020/nc2/131072-524288-2097152/sha256");
        for avg_size in [1 << 10, 1 << 20] {
            assert!(Profile::remote_execution(avg_size).is_ok());
        }
        for avg_size in [0, 1022, (1 << 20) + 2] {
            let refused = Err(OptionsError::RemoteExecutionAvg { avg_size });
            assert_eq!(Profile::remote_execution(avg_size), refused);
        }
        assert!(matches!(Profile::remote_execution(1028), Err(OptionsError::Odd { .. })));
    }

    #[test]
    fn names_are_of_the_three_everyday_sizes() {
        for (name, profile) in
            [("large", Profile::LARGE), ("medium", Profile::MEDIUM), ("small", Profile::SMALL)]
        {
            assert_eq!(Profile::named(name), Some(profile));
        }
        assert_eq!(Profile::named("Large"), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn the_serialized_form_is_the_id() {
        let profile = Profile::SMALL.seed(u64::MAX);
        let json = serde_json::to_string(&profile).expect("a string");
        assert_eq!(json, alloc::format!("\"{profile}\""));
        assert_eq!(serde_json::from_str::<Profile>(&json).expect("an id"), profile);
        assert!(serde_json::from_str::<Profile>("\"large\"").is_err());
    }
}
