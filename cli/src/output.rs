//! Prints results on standard output.

use crate::failure::Failure;
use indicatif::HumanBytes;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::SystemTime;

/// Prints results: lines for people, or JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    /// Prints one result.
    pub(crate) fn print(self, json: &impl Serialize, text: impl Display) -> Result<(), Failure> {
        if self.json { print_json(json) } else { print_line(text) }
    }

    /// Prints what `--quiet` leaves out.
    pub(crate) fn print_aside(self, json: &impl Serialize, text: impl Display) -> Result<(), Failure> {
        if self.quiet && !self.json { Ok(()) } else { self.print(json, text) }
    }
}

pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::StandardOutput(error.into()))?;
    print_line(line)
}

pub(crate) fn print_line(text: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(Failure::of_standard_output)
}

/// Returns a number of bytes for people, such as `1.41 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// Returns a number with its noun, such as `1 file`, `2 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Returns how much less `part` is than `whole`, as a percentage, such as `98.4 %`.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn saved(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { 1.0 - part as f64 / whole as f64 };
    // Rounded down, so that 100 % means everything.
    format!("{:.1} %", (share.max(0.0) * 1000.0).floor() / 10.0)
}

/// Returns a time in UTC, to the second, in the format of RFC 3339.
pub(crate) fn time(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "unknown".to_owned(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_saved_is_never_called_more_than_it_is() {
        for (part, whole, text) in [
            (0, 0, "0.0 %"),
            (0, 10, "100.0 %"),
            (1, 1_000_000, "99.9 %"),
            (5, 10, "50.0 %"),
            (10, 10, "0.0 %"),
            (11, 10, "0.0 %"),
        ] {
            assert_eq!(saved(part, whole), text, "{part} of {whole}");
        }
    }

    #[test]
    fn a_time_is_in_utc_to_the_second() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_845_083_999);
        assert_eq!(time(moment), "2026-11-28T05:51:23Z");
    }
}
