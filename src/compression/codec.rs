//! The names of the formats, and facts about each that need no library.

use core::fmt;
use core::ops::RangeInclusive;

/// What is known of a codec without its library.
struct Facts {
    name: &'static str,
    /// The levels, from the fastest to the smallest.
    levels: (i32, i32),
    default_level: i32,
    /// Whether data begins with its magic bytes.
    begins: fn(&[u8]) -> bool,
    /// The codes of its errors, when compressing and when decompressing.
    failed: &'static str,
    corrupt: &'static str,
}

/// Makes [`Codec`] of a table: the codecs whose feature this build has.
macro_rules! codecs {
    ($($(#[doc = $doc:literal])* $Codec:ident = $feature:tt {
        levels: $levels:expr, default_level: $default:expr, begins: $begins:expr,
    })*) => {
        /// A compressed format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Codec {
            $($(#[doc = $doc])* #[cfg(feature = $feature)] $Codec,)*
        }

        impl Codec {
            /// Every codec that this build has.
            pub const ALL: &[Self] = &[$(#[cfg(feature = $feature)] Self::$Codec,)*];

            const fn facts(self) -> &'static Facts {
                match self {
                    $(#[cfg(feature = $feature)] Self::$Codec => &Facts {
                        name: $feature,
                        levels: $levels,
                        default_level: $default,
                        begins: $begins,
                        failed: concat!($feature, "_compression_failed"),
                        corrupt: concat!($feature, "_decompression_failed"),
                    },)*
                }
            }
        }
    };
}

codecs! {
    /// Zstandard (RFC 8878).
    Zstd = "zstd" {
        levels: (-(1 << 17), 22),
        default_level: 3,
        begins: |data| begins_frame(data, [0x28, 0xb5, 0x2f, 0xfd]),
    }
    /// The LZ4 frame format.
    Lz4 = "lz4" {
        levels: (1, 1),
        default_level: 1,
        begins: |data| begins_frame(data, [0x04, 0x22, 0x4d, 0x18]),
    }
    /// The .xz format with LZMA2.
    Xz = "xz" {
        levels: (0, 9),
        default_level: 6,
        begins: |data| data.starts_with(b"\xfd7zXZ\0"),
    }
    /// The .bz2 format.
    Bzip2 = "bzip2" {
        levels: (1, 9),
        default_level: 9,
        begins: |data| matches!(data, [b'B', b'Z', b'h', b'1'..=b'9', ..]),
    }
}

impl Codec {
    /// Returns the codec's name: `zstd`, `lz4`, `xz` or `bzip2`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns the codec whose magic bytes `data` begins with. It looks past skippable frames, which
    /// Zstandard and LZ4 have in common (RFC 8878, section 3.1.2); if there is nothing else, the codec is
    /// Zstandard.
    #[must_use]
    pub fn detect(data: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| (codec.facts().begins)(data))
    }

    /// Returns the levels of compression, from the fastest to the smallest; LZ4 has only one.
    #[must_use]
    pub fn levels(self) -> RangeInclusive<i32> {
        let (fastest, smallest) = self.facts().levels;
        fastest..=smallest
    }

    /// Returns the level that the codec's own tool uses by default.
    #[must_use]
    pub const fn default_level(self) -> i32 {
        self.facts().default_level
    }

    /// The code of a compression that failed.
    pub(super) const fn failed(self) -> &'static str {
        self.facts().failed
    }

    /// The code of data that are not of this format.
    pub(super) const fn corrupt(self) -> &'static str {
        self.facts().corrupt
    }
}

/// Returns whether `data` is skippable frames, and after them nothing or a frame with this magic number.
#[cfg(any(feature = "zstd", feature = "lz4"))]
fn begins_frame(mut data: &[u8], magic: [u8; 4]) -> bool {
    let mut has_skipped = false;
    while let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, rest @ ..] = data {
        let length = u32::from_le_bytes([*a, *b, *c, *d]);
        let Some(next) = usize::try_from(length).ok().and_then(|length| rest.get(length..)) else {
            return false;
        };
        (data, has_skipped) = (next, true);
    }
    data.starts_with(&magic) || has_skipped && data.is_empty()
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(all(test, feature = "zstd"))]
mod tests {
    use super::Codec;

    #[test]
    fn the_levels_of_zstd_are_those_of_its_library() {
        assert_eq!(Codec::Zstd.levels(), zstd::compression_level_range());
    }
}
