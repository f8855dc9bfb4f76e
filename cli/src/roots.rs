//! Roots as people type them: complete, or only their first digits.

use crate::failure::Failure;
use crate::session::Session;
use chunker::hashing::HashAlgorithm;
use chunker_store::Root;
use std::str::FromStr;

/// Minimum number of digits of a root.
const DIGITS: usize = 8;

/// A root, or its first digits.
#[derive(Clone, Debug)]
pub(crate) enum RootArgument {
    Whole(Root),
    Prefix {
        /// `None` stands for any.
        algorithm: Option<HashAlgorithm>,
        digits: String,
    },
}

impl FromStr for RootArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if let Ok(root) = lower.parse() {
            return Ok(Self::Whole(root));
        }
        let (algorithm, digits) = match lower.split_once('-') {
            Some((name, digits)) => (Some(name.parse().map_err(|error| format!("{error}"))?), digits),
            None => (None, lower.as_str()),
        };
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !hexadecimal || !(DIGITS..=64).contains(&digits.len()) {
            return Err(format!("not a root (expected {DIGITS} to 64 hexadecimal digits)"));
        }
        Ok(Self::Prefix { algorithm, digits: digits.to_owned() })
    }
}

impl RootArgument {
    /// Returns the root in the store that starts with these digits; a complete root is returned even if the
    /// store does not have it.
    pub(crate) fn resolve(&self, session: &Session) -> Result<Root, Failure> {
        let (algorithm, digits) = match self {
            Self::Whole(root) => return Ok(*root),
            Self::Prefix { algorithm, digits } => (algorithm, digits),
        };
        let begins = |root: &Root| {
            algorithm.is_none_or(|algorithm| root.algorithm() == algorithm)
                && hex::encode(root.digest()).starts_with(digits)
        };
        let files = session.wait_interruptibly(session.store.roots())??;
        let mut roots: Vec<_> = files.into_iter().map(|(root, _)| root).filter(begins).collect();
        let prefix = || algorithm.map_or_else(|| digits.clone(), |algorithm| format!("{algorithm}-{digits}"));
        match roots.len() {
            0 => Err(Failure::NoSuchPrefix { prefix: prefix() }),
            1 => Ok(roots.remove(0)),
            _ => Err(Failure::AmbiguousPrefix { prefix: prefix(), roots }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_whole_or_at_least_eight_digits() {
        let digits = "0123456789abcdef".repeat(4);
        for text in [format!("sha256-{digits}"), format!("BLAKE3-{}", digits.to_uppercase())] {
            assert!(matches!(text.parse(), Ok(RootArgument::Whole(_))), "{text}");
        }
        for text in [&digits, "01234567", "blake3-0123456789", "ABCDEF01"] {
            assert!(matches!(text.parse(), Ok(RootArgument::Prefix { .. })), "{text}");
        }
        for text in
            ["", "0123456", "blake3-", "md5-0123456789", "0123456g", &format!("{digits}0"), "-01234567"]
        {
            assert!(text.parse::<RootArgument>().is_err(), "{text}");
        }
    }
}
