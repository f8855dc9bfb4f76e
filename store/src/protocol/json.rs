//! The JSON of answers.

use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

/// An object being built.
#[derive(Debug, Default)]
pub(super) struct Json(String);

impl Json {
    /// Adds a field; `value` is JSON, such as a number.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0 += &format!("\"{name}\":{value}");
        self
    }

    /// Adds a field of text.
    pub(super) fn with_text(self, name: &str, value: impl Display) -> Self {
        self.with(name, text(&value.to_string()))
    }

    pub(super) fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

/// Returns a JSON string.
pub(super) fn text(value: &str) -> String {
    let mut json = String::with_capacity(value.len() + 2);
    json.push('"');
    for char in value.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            '\0'..='\x1f' => json += &format!("\\u{:04x}", u32::from(char)),
            _ => json.push(char),
        }
    }
    json.push('"');
    json
}

/// Returns a JSON array of `values`, which are JSON.
pub(super) fn array<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut json = String::from("[");
    for (index, value) in values.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        json += &format!("{comma}{value}");
    }
    json.push(']');
    json
}

/// Returns a time in UTC to the second, in the format of RFC 3339. Times before 1970 become 1970-01-01.
pub(super) fn time(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns the year, month and day of a number of days since 1970 (Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
const fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // since 0000-03-01
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_in_utc_to_the_second() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_845_083, "2026-11-28T05:51:23Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
        assert_eq!(time(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(text("a\"b\\c\n\u{7f}é"), "\"a\\\"b\\\\c\\u000a\u{7f}é\"");
        assert_eq!(Json::default().finish(), "{}");
        assert_eq!(Json::default().with("a", 1).with_text("b", "\t").finish(), "{\"a\":1,\"b\":\"\\u0009\"}");
        assert_eq!(array([1, 2]), "[1,2]");
    }
}
