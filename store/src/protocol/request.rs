//! The head of a request, and its query.

use super::answer::Refusal;

/// The head of a request, as a shell has it from its HTTP library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, as sent: `GET`.
    pub method: String,
    /// The path and the query, as sent, not decoded: `/v1/files?limit=10`.
    pub target: String,
    /// Names and values of all headers, in any case and order; repeated headers are repeated.
    pub headers: Vec<(String, String)>,
}

impl RequestHead {
    /// Returns the head of a request.
    pub fn new<N: Into<String>, V: Into<String>>(
        method: impl Into<String>,
        target: impl Into<String>,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { method: method.into(), target: target.into(), headers }
    }

    /// Returns the first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim_matches([' ', '\t']))
    }

    /// Returns the length of the body; a request without one is refused.
    pub(super) fn body_length(&self) -> Result<u64, Refusal> {
        if self.header("transfer-encoding").is_some() {
            return Err(Refusal::length_required());
        }
        let mut lengths = self.values("content-length");
        let length = lengths.next().ok_or_else(Refusal::length_required)?;
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        match length.parse() {
            Ok(number) if digits && lengths.all(|other| other == length) => Ok(number),
            _ => Err(Refusal::malformed("Content-Length is not a single number")),
        }
    }
}

/// The fields of a query. Unknown ones are ignored.
pub(super) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(super) const fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// Returns the decoded value of a field, if the query has it.
    pub(super) fn field(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        let mut values = url::form_urlencoded::parse(self.0.as_bytes()).filter(|(field, _)| field == name);
        let value = values.next().map(|(_, value)| value.into_owned());
        match values.next() {
            Some(_) => Err(Refusal::invalid_query(format!("the query field `{name}` is repeated"))),
            None => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_one_length_of_digits() {
        let length = |headers: &[(&str, &str)]| {
            RequestHead::new("PUT", "/", headers.iter().copied())
                .body_length()
                .map_err(|refusal| refusal.status())
        };
        assert_eq!(length(&[("Content-LENGTH", " 12 ")]), Ok(12));
        assert_eq!(length(&[("content-length", "12"), ("content-length", "12")]), Ok(12));
        assert_eq!(length(&[]), Err(411));
        assert_eq!(length(&[("content-length", "1"), ("transfer-encoding", "chunked")]), Err(411));
        for text in ["", "+1", "-1", "1 2", "1,1", "0x1", "99999999999999999999"] {
            assert_eq!(length(&[("content-length", text)]), Err(400), "{text}");
        }
        assert_eq!(length(&[("content-length", "1"), ("content-length", "2")]), Err(400));
    }
}
