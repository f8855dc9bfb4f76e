//! Names of objects: times and random bits, so that sorting by name sorts by time.

use crate::host::Host;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix time in milliseconds, then random bits.
///
/// Its text is the usual one, 36 lowercase characters, and sorts like its time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeName(u128);

impl TimeName {
    /// Returns a name for this moment.
    pub(crate) fn now(host: &dyn Host) -> io::Result<Self> {
        let mut random = [0; 16];
        host.random(&mut random)?;
        Ok(Self::new(host.now(), u128::from_le_bytes(random)))
    }

    pub(crate) fn new(time: SystemTime, random: u128) -> Self {
        let random = random & !(0xffff_ffff_ffff << 80 | 0xf << 76 | 0b11 << 62);
        Self(milliseconds(time) << 80 | 0x7 << 76 | 0b10 << 62 | random)
    }

    /// Returns the first name of the moment `before` the time of this one.
    pub(crate) fn earlier(self, before: Duration) -> Self {
        Self((self.0 >> 80).saturating_sub(before.as_millis()) << 80)
    }

    /// Returns the name after this one, if there is one.
    pub(crate) fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// Returns the milliseconds since 1970, in 48 bits.
fn milliseconds(time: SystemTime) -> u128 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis().min(0xffff_ffff_ffff)
}

impl fmt::Display for TimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |from: u32, digits: u32| (self.0 >> from) & ((1 << (4 * digits)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }
}

impl fmt::Debug for TimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TimeName {
    type Err = NotATimeName;

    /// Parses the one text that a name has: lowercase digits with hyphens.
    fn from_str(text: &str) -> Result<Self, NotATimeName> {
        let digits: String = text.chars().filter(|&digit| digit != '-').collect();
        let name = u128::from_str_radix(&digits, 16).map(Self).map_err(|_| NotATimeName)?;
        if name.to_string() == text { Ok(name) } else { Err(NotATimeName) }
    }
}

/// The text is not a UUID in lowercase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a lowercase UUID")]
pub struct NotATimeName;

impl NotATimeName {
    /// The stable, machine-readable name of this error: `invalid_object_name`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_object_name"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_like_their_times_and_their_texts() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let names: Vec<_> =
            [0, 1, 1_800_000_000, 1_800_000_001].map(|time| TimeName::new(at(time), u128::MAX)).into();
        assert!(names.is_sorted());
        assert!(names.iter().map(ToString::to_string).is_sorted());
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(TimeName::from_bytes(name.to_bytes()), name);
            assert_eq!(&name.to_string()[14..15], "7");
            assert!(name.earlier(Duration::from_millis(1)) <= name);
        }
        let name = TimeName::new(at(1_800_000_000), 5);
        assert!(name.earlier(Duration::ZERO) <= name);
        assert!(TimeName::new(at(1_799_999_999), u128::MAX) < name.earlier(Duration::ZERO));
    }

    #[test]
    fn only_the_canonical_text_is_a_name() {
        let name = "019331c5-8f00-7000-8000-000000000005";
        assert!(name.parse::<TimeName>().is_ok());
        for other in
            ["", "tmp", &name.to_uppercase(), &name.replace('-', ""), &name[1..], &format!("{name}0")]
        {
            assert_eq!(other.parse::<TimeName>(), Err(NotATimeName), "{other:?}");
        }
    }
}
