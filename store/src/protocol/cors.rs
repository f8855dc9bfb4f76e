//! Requests from pages of other origins (the Fetch standard, "CORS protocol").

use super::options::{EngineOptions, Origins};
use super::request::RequestHead;

/// Headers of answers that a page may read.
const EXPOSED: &str = "Accept-Ranges, Chunker-Limits, Content-Disposition, Content-Length, Content-Range, \
    ETag, Retry-After";

type Headers = Vec<(&'static str, String)>;

/// Returns the headers of every answer to a request, whatever its status.
pub(super) fn headers(options: &EngineOptions, head: &RequestHead) -> Headers {
    if options.origins == Origins::Own {
        return vec![("Cross-Origin-Resource-Policy", "same-origin".to_owned())];
    }
    let mut headers = vec![("Cross-Origin-Resource-Policy", "cross-origin".to_owned())];
    let allowed = match (&options.origins, head.header("origin")) {
        // Also without an Origin: a browser caches what `<video>` reads, and a page may fetch it from the
        // cache.
        (Origins::Any, _) => Some("*".to_owned()),
        (Origins::These(origins), Some(origin)) => {
            origins.iter().any(|other| other == origin).then(|| origin.to_owned())
        }
        _ => None,
    };
    if matches!(options.origins, Origins::These(_)) {
        headers.push(("Vary", "Origin".to_owned()));
    }
    let Some(origin) = allowed else { return headers };
    headers.push(("Access-Control-Allow-Origin", origin));
    headers.push(("Access-Control-Expose-Headers", EXPOSED.to_owned()));
    if options.credentials {
        headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
    }
    headers
}

/// Returns the further headers of the answer to a preflight, if the origin is allowed: the methods of the
/// path, and every header that the page wants to send, because authorization depends on their values.
pub(super) fn preflight(head: &RequestHead, allowed: &Headers, methods: &str) -> Headers {
    let known = allowed.iter().any(|(name, _)| *name == "Access-Control-Allow-Origin");
    if !known || head.header("access-control-request-method").is_none() {
        return Headers::new();
    }
    let mut headers = vec![
        ("Access-Control-Allow-Methods", methods.to_owned()),
        ("Access-Control-Max-Age", "7200".to_owned()),
    ];
    let wanted = head.header("access-control-request-headers").unwrap_or_default();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(&byte);
    if !wanted.is_empty() && wanted.bytes().all(is_name) {
        headers.push(("Access-Control-Allow-Headers", wanted.to_owned()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
        headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn only_pages_of_allowed_origins_are_let_through() {
        let ask = |origin: &str| {
            let request = ("Access-Control-Request-Method", "PUT");
            let wanted = ("Access-Control-Request-Headers", "authorization,x-tenant");
            RequestHead::new("OPTIONS", "/v1", [("Origin", origin), request, wanted])
        };
        let these = Origins::These(vec!["https://a.example".to_owned()]);
        let options = EngineOptions::new().origins(these).credentials(true);
        let allowed = headers(&options, &ask("https://a.example"));
        assert_eq!(value(&allowed, "Access-Control-Allow-Origin"), Some("https://a.example"));
        assert_eq!(value(&allowed, "Access-Control-Allow-Credentials"), Some("true"));
        assert_eq!(value(&allowed, "Vary"), Some("Origin"));
        let preflight_headers = preflight(&ask("https://a.example"), &allowed, "PUT");
        assert_eq!(value(&preflight_headers, "Access-Control-Allow-Headers"), Some("authorization,x-tenant"));

        for origin in ["https://b.example", "https://a.example.org", "null", "HTTPS://a.example", ""] {
            let refused = headers(&options, &ask(origin));
            assert_eq!(value(&refused, "Access-Control-Allow-Origin"), None, "{origin}");
            assert_eq!(value(&refused, "Vary"), Some("Origin"));
            assert!(preflight(&ask(origin), &refused, "PUT").is_empty());
        }
        let any = headers(&EngineOptions::new().origins(Origins::Any), &ask("https://b.example"));
        assert_eq!(value(&any, "Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(value(&any, "Access-Control-Allow-Credentials"), None);
        let kept = headers(
            &EngineOptions::new().origins(Origins::Any),
            &RequestHead::new("GET", "/v1", [("Host", "a")]),
        );
        assert_eq!(kept, any, "nothing says that answers vary by origin");
        let own = headers(&EngineOptions::new(), &ask("https://a.example"));
        assert_eq!(own, [("Cross-Origin-Resource-Policy", "same-origin".to_owned())]);
    }
}
