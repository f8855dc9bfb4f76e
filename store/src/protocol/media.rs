//! `Content-Type` and `Content-Disposition` of files, as clients choose them, within what is safe in a browser.

use super::answer::Refusal;
use super::request::Query;

/// Types that a client may give to a file: none that runs scripts in a page of this origin.
const SAFE: [&str; 21] = [
    "application/json",
    "application/pdf",
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/csv",
    "text/plain",
    "video/mp4",
    "video/ogg",
    "video/quicktime",
    "video/webm",
];

/// Length of the longest name, in characters.
const LONGEST_NAME: usize = 255;

/// How a file is presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presentation {
    media_type: Option<&'static str>,
    name: Option<String>,
}

impl Presentation {
    pub(super) fn of(query: &Query<'_>) -> Result<Self, Refusal> {
        let media_type = query.field("type")?.map(|wanted| {
            let safe = SAFE.into_iter().find(|safe| *safe == wanted);
            safe.ok_or_else(|| Refusal::invalid_field("type", &wanted, "a type that this server sends"))
        });
        let name = query.field("name")?;
        let length = name.as_ref().map_or(1, |name| name.chars().count());
        if !(1..=LONGEST_NAME).contains(&length) {
            let message = format!("the query field `name` has {length} characters (expected 1 to 255)");
            return Err(Refusal::invalid_query(message));
        }
        Ok(Self { media_type: media_type.transpose()?, name })
    }

    pub(super) fn content_type(&self) -> String {
        match self.media_type {
            Some(text) if text.starts_with("text/") => format!("{text}; charset=utf-8"),
            Some(media) => media.to_owned(),
            None => super::answer::OCTETS.to_owned(),
        }
    }

    /// Returns the value of `Content-Disposition` (RFC 6266): the name in UTF-8, and in ASCII for old clients.
    pub(super) fn disposition(&self) -> Option<String> {
        let name: String = self.name.as_ref()?.chars().map(harmless).collect();
        let kind = if self.media_type.is_some() { "inline" } else { "attachment" };
        let ascii: String = name.chars().map(|char| if quotable(char) { char } else { '_' }).collect();
        let mut value = format!("{kind}; filename=\"{ascii}\"");
        if ascii != name {
            value.push_str("; filename*=UTF-8''");
            for byte in name.bytes() {
                let plain = byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte); // RFC 8187
                if plain {
                    value.push(char::from(byte));
                } else {
                    value += &format!("%{byte:02X}");
                }
            }
        }
        Some(value)
    }
}

/// Replaces characters that would end or hide a name, or lead into another folder.
fn harmless(char: char) -> char {
    match char {
        '/'
        | '\\'
        | '\u{61c}'
        | '\u{200e}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '_',
        _ if char.is_control() => '_',
        _ => char,
    }
}

/// Returns whether all clients read a character the same way within quotes; some decode `%`.
const fn quotable(char: char) -> bool {
    matches!(char, ' '..='~') && !matches!(char, '"' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(query: &str) -> Result<(String, Option<String>), u16> {
        let presentation = Presentation::of(&Query::new(query)).map_err(|refusal| refusal.status())?;
        Ok((presentation.content_type(), presentation.disposition()))
    }

    #[test]
    fn a_name_cannot_leave_its_header_or_its_folder() {
        for (query, disposition) in [
            ("name=a.txt", "attachment; filename=\"a.txt\""),
            ("name=a+b%20c", "attachment; filename=\"a b c\""),
            ("name=%2e%2e%2fa%5cb", "attachment; filename=\".._a_b\""),
            ("name=a%0d%0aSet-Cookie:b", "attachment; filename=\"a__Set-Cookie:b\""),
            ("name=a%22b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
            ("name=%C3%A9%E2%80%AE", "attachment; filename=\"__\"; filename*=UTF-8''%C3%A9_"),
            ("name=50%25", "attachment; filename=\"50_\"; filename*=UTF-8''50%25"),
            ("name=a&type=video/mp4", "inline; filename=\"a\""),
        ] {
            assert_eq!(presented(query).unwrap().1.as_deref(), Some(disposition), "{query}");
        }
    }

    #[test]
    fn no_type_runs_scripts() {
        assert_eq!(presented("").unwrap(), ("application/octet-stream".to_owned(), None));
        assert_eq!(presented("type=text/plain").unwrap().0, "text/plain; charset=utf-8");
        assert_eq!(presented("type=video%2Fmp4&v=1").unwrap().0, "video/mp4");
        for query in [
            "type=text/html",
            "type=image/svg%2Bxml",
            "type=text/javascript",
            "type=application/xml",
            "type=text/plain;charset=utf-7",
            "type=Text/Plain",
            "type=",
            "type=text/plain&type=text/plain",
            "name=",
            "name=a&name=a",
        ] {
            assert_eq!(presented(query), Err(400), "{query}");
        }
        assert_eq!(presented(&format!("name={}", "a".repeat(256))), Err(400));
    }
}
