//! Which part of a file is requested, and whether the client already has it (RFC 9110, sections 13 and 14).

use super::request::RequestHead;
use std::ops::Range;

/// What part of a file is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Range(Range<u64>),
    /// Nothing: the range contains no byte of the file.
    Unsatisfiable,
}

impl Part {
    /// Returns the part of a file of `length` bytes that `head` asks for.
    pub(super) fn of(head: &Conditions, length: u64, tag: &str) -> Self {
        let same = head.if_range.as_deref().is_none_or(|wanted| wanted == tag);
        match head.range.as_deref().filter(|_| same).and_then(|range| parse(range, length)) {
            None => Self::Whole,
            Some(range) if range.start < range.end => Self::Range(range),
            Some(_) => Self::Unsatisfiable,
        }
    }
}

/// Returns the range in a header, which is empty if the file has no such byte. Returns `None` if the header
/// is to be ignored: another unit, several ranges, or no range at all.
fn parse(header: &str, length: u64) -> Option<Range<u64>> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    Some(match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return None,
    })
}

/// Returns a number; one that is too large becomes `u64::MAX`.
pub(super) fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The conditional headers of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    range: Option<String>,
    if_range: Option<String>,
    if_none_match: Vec<String>,
}

impl Conditions {
    pub(super) fn of(head: &RequestHead) -> Self {
        let one = |name| {
            let mut values = head.values(name);
            values.next().filter(|_| values.next().is_none()).map(str::to_owned)
        };
        let tags = head.values("if-none-match").map(str::to_owned);
        Self { range: one("range"), if_range: one("if-range"), if_none_match: tags.collect() }
    }

    /// Returns whether the client already has the version with this `tag`.
    pub(super) fn has(&self, tag: &str) -> bool {
        let mut tags = self.if_none_match.iter().flat_map(|tags| tags.split(',')).map(str::trim);
        tags.any(|other| other == "*" || other.strip_prefix("W/").unwrap_or(other) == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(headers: &[(&str, &str)], length: u64) -> Part {
        let head = RequestHead::new("GET", "/", headers.iter().copied());
        Part::of(&Conditions::of(&head), length, "\"tag\"")
    }

    #[test]
    fn one_range_of_bytes_is_followed_and_all_else_is_ignored() {
        for (range, expected) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=0-9", Part::Range(0..10)),
            ("bytes=3-99999999999999999999999", Part::Range(3..10)),
            ("Bytes= 9-", Part::Range(9..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-99", Part::Range(0..10)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-20", Part::Unsatisfiable),
            ("bytes=99999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=0-0,2-3", Part::Whole),
            ("bytes=3-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=--2", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(&[("Range", range)], 10), expected, "{range}");
        }
        assert_eq!(part(&[("range", "bytes=0-")], 0), Part::Unsatisfiable);
        assert_eq!(part(&[("range", "bytes=0-1"), ("range", "bytes=2-3")], 10), Part::Whole);
        assert_eq!(part(&[], 10), Part::Whole);
    }

    #[test]
    fn a_range_of_another_file_is_the_whole_file() {
        let with = |tag| part(&[("Range", "bytes=1-"), ("If-Range", tag)], 10);
        assert_eq!(with("\"tag\""), Part::Range(1..10));
        for other in ["\"other\"", "W/\"tag\"", "tag", "Sat, 28 Nov 2026 05:51:23 GMT"] {
            assert_eq!(with(other), Part::Whole, "{other}");
        }
    }

    #[test]
    fn a_tag_is_found_in_any_list() {
        let has =
            |value| Conditions::of(&RequestHead::new("GET", "/", [("If-None-Match", value)])).has("\"a\"");
        for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"b\",W/\"a\"", "*"] {
            assert!(has(value), "{value}");
        }
        for value in ["", "a", "\"b\"", "\"aa\""] {
            assert!(!has(value), "{value}");
        }
    }
}
