//! Options of an engine.

use super::answer::quoted;
use super::json::Json;
use super::wire;
use crate::error::StoreError;
use url::Url;

/// Options of an [`Engine`](super::Engine). The default suits most servers.
///
/// ```
/// use chunker_store::protocol::{EngineOptions, Origins};
///
/// let origins = Origins::These(vec!["https://example.org".to_owned()]);
/// let options = EngineOptions::new().memory(1 << 30).origins(origins).credentials(true);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    pub(super) pack_bytes: u64,
    pack_length: Option<u64>,
    pub(super) pack_chunks: u64,
    pub(super) missing_digests: u64,
    pub(super) read_digests: u64,
    chunk_bytes: Option<u64>,
    pub(super) manifest_bytes: u64,
    pub(super) memory: u64,
    pub(super) line: usize,
    pub(super) origins: Origins,
    pub(super) credentials: bool,
    pub(super) prefix: String,
}

/// Whose pages may send requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Only those of the server's own origin.
    #[default]
    Own,
    /// Also those of these origins, as browsers send them: `https://example.org`, without a slash at the end.
    These(Vec<String>),
    /// Those of any origin. Not allowed with [credentials](EngineOptions::credentials).
    Any,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            pack_bytes: 32 << 20,
            pack_length: None,
            pack_chunks: 16 << 10,
            missing_digests: 64 << 10,
            read_digests: 64 << 10,
            chunk_bytes: None,
            manifest_bytes: 64 << 20,
            memory: 256 << 20,
            line: 256,
            origins: Origins::Own,
            credentials: false,
            prefix: String::new(),
        }
    }
}

/// Size in bytes of the pack that a client may send before it knows the limits.
const SMALLEST_PACK: u64 = 4 << 20;

impl EngineOptions {
    /// Returns the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Size in bytes of the largest pack to accept: 4 MiB to 1 GiB. Default: 32 MiB.
    #[must_use]
    pub const fn pack_bytes(mut self, bytes: u64) -> Self {
        self.pack_bytes = bytes;
        self
    }

    /// Largest decompressed length in bytes of all chunks of a pack: at least
    /// [`pack_bytes`](Self::pack_bytes). Default: eight times that.
    #[must_use]
    pub const fn pack_length(mut self, bytes: u64) -> Self {
        self.pack_length = Some(bytes);
        self
    }

    /// Largest number of chunks in a pack: 1 to 1,048,576. Default: 16,384.
    #[must_use]
    pub const fn pack_chunks(mut self, chunks: u64) -> Self {
        self.pack_chunks = chunks;
        self
    }

    /// Largest number of digests in a question about missing chunks: 1 to 1,048,576. Default: 65,536.
    #[must_use]
    pub const fn missing_digests(mut self, digests: u64) -> Self {
        self.missing_digests = digests;
        self
    }

    /// Largest number of chunks that one request can read: 1 to 1,048,576. Default: 65,536.
    #[must_use]
    pub const fn read_digests(mut self, digests: u64) -> Self {
        self.read_digests = digests;
        self
    }

    /// Size in bytes of the largest chunk to accept: 1 to what fits in a pack. Default: 16 MiB, or what fits
    /// in a pack if that is less.
    #[must_use]
    pub const fn chunk_bytes(mut self, bytes: u64) -> Self {
        self.chunk_bytes = Some(bytes);
        self
    }

    /// Size in bytes of the largest manifest to accept, 36 for every chunk: up to 1 GiB, and no more than the
    /// [store](crate::StoreOptions::manifest_limit) accepts. Default: 64 MiB.
    #[must_use]
    pub const fn manifest_bytes(mut self, bytes: u64) -> Self {
        self.manifest_bytes = bytes;
        self
    }

    /// Memory for all requests together, in bytes; `docs/protocol.md` says what each takes. At least twice
    /// [`pack_bytes`](Self::pack_bytes). A store on a disk keeps up to 32 MiB of read buffers on top. Default: 256 MiB.
    ///
    /// It is divided, so that slow clients cannot use up what others need.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Largest number of requests that wait for memory; further ones are refused with 503. Default: 256.
    #[must_use]
    pub const fn line(mut self, requests: usize) -> Self {
        self.line = requests;
        self
    }

    /// Whose pages may send requests. Default: those of the server's own origin.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Whether pages of [`Origins::These`] may send cookies. Default: false.
    #[must_use]
    pub const fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }

    /// Prefix of all paths, such as `/store`. Default: none.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    pub(super) fn checked(self) -> Result<Self, StoreError> {
        let invalid = |option, value, expected| StoreError::InvalidOption { option, value, expected };
        let within = |option, value: u64, range: std::ops::RangeInclusive<u64>, expected| {
            if range.contains(&value) { Ok(()) } else { Err(invalid(option, value.to_string(), expected)) }
        };
        let most = 1 << 20;
        within("pack_bytes", self.pack_bytes, SMALLEST_PACK..=1 << 30, "4194304 to 1073741824")?;
        within("pack_length", self.pack_length_limit(), self.pack_bytes..=u64::MAX, "at least pack_bytes")?;
        within("pack_chunks", self.pack_chunks, 1..=most, "1 to 1048576")?;
        within("missing_digests", self.missing_digests, 1..=most, "1 to 1048576")?;
        within("read_digests", self.read_digests, 1..=most, "1 to 1048576")?;
        within(
            "chunk_bytes",
            self.chunk_bytes_limit(),
            1..=self.longest_that_fits(),
            "1 to what fits in a pack",
        )?;
        within("manifest_bytes", self.manifest_bytes, 1..=1 << 30, "1 to 1073741824")?;
        let memory = 2 * self.pack_bytes..=1 << 40;
        within("memory", self.memory, memory, "twice the largest pack to 1099511627776")?;
        if let Origins::These(origins) = &self.origins
            && let Some(origin) = origins.iter().find(|origin| !is_origin(origin))
        {
            let expected = "scheme://host or scheme://host:port, as browsers send it";
            return Err(invalid("origins", quoted(origin), expected));
        }
        // Any page can have the origin `null`.
        let named = |origins: &[String]| origins.iter().all(|origin| origin != NULL);
        if self.credentials && !matches!(&self.origins, Origins::These(origins) if named(origins)) {
            let expected = "false unless all origins are named, and none is \"null\"";
            return Err(invalid("credentials", "true".to_owned(), expected));
        }
        let prefix = self.prefix.strip_prefix('/');
        let graphic = |prefix: &str| prefix.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
        let fine = self.prefix.is_empty()
            || prefix.is_some_and(|prefix| graphic(prefix) && !prefix.is_empty() && !prefix.ends_with('/'));
        if !fine {
            let expected = "a path such as /store, in printable ASCII, without a slash at its end or a ?";
            return Err(invalid("prefix", quoted(&self.prefix), expected));
        }
        Ok(self)
    }

    const fn longest_that_fits(&self) -> u64 {
        self.pack_bytes - (wire::HEAD + wire::ROW) as u64
    }

    pub(super) fn pack_length_limit(&self) -> u64 {
        self.pack_length.unwrap_or(8 * self.pack_bytes)
    }

    pub(super) fn chunk_bytes_limit(&self) -> u64 {
        self.chunk_bytes.unwrap_or_else(|| self.longest_that_fits().min(16 << 20))
    }

    /// Returns the limits that clients see, as JSON.
    pub(super) fn announced(&self) -> String {
        Json::default()
            .with("packBytes", self.pack_bytes)
            .with("packLength", self.pack_length_limit())
            .with("packChunks", self.pack_chunks)
            .with("missingDigests", self.missing_digests)
            .with("readDigests", self.read_digests)
            .with("chunkBytes", self.chunk_bytes_limit())
            .with("manifestBytes", self.manifest_bytes)
            .finish()
    }
}

/// The `Origin` of pages without one of their own, such as those in sandboxed frames.
const NULL: &str = "null";
/// The `Origin` of local pages in some programs that contain a browser.
const FILE: &str = "file://";

/// Returns whether a browser can send this as the `Origin` of a page.
fn is_origin(text: &str) -> bool {
    if matches!(text, NULL | FILE) {
        return true;
    }
    let Ok(url) = Url::parse(text) else { return false };
    let origin = url.origin();
    if origin.is_tuple() {
        origin.ascii_serialization() == text
    } else {
        // Such as an extension's: the standard gives it no form, browsers do.
        url.has_host() && url.path().is_empty() && url.query().is_none() && url.as_str() == text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_sends_is_an_origin() {
        for origin in [
            "https://example.org",
            "http://localhost:8080",
            "http://[::1]:8080",
            "chrome-extension://abcdefgh",
            "moz-extension://abcdefgh",
            "null",
            "file://",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for text in [
            "",
            "*",
            "example.org",
            "https://example.org/",
            "https://example.org:443",
            "https://Example.org",
            "https://example.org/page",
            "https://user@example.org",
            "chrome-extension://abcdefgh/",
            "mailto:someone@example.org",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn an_option_that_cannot_work_is_refused_by_name() {
        let new = EngineOptions::new;
        for (options, name) in [
            (new().pack_bytes(SMALLEST_PACK - 1), "pack_bytes"),
            (new().pack_length(1), "pack_length"),
            (new().pack_chunks(0), "pack_chunks"),
            (new().missing_digests(0), "missing_digests"),
            (new().read_digests(u64::MAX), "read_digests"),
            (new().chunk_bytes(32 << 20), "chunk_bytes"),
            (new().manifest_bytes(0), "manifest_bytes"),
            (new().memory(1), "memory"),
            (new().origins(Origins::Any).credentials(true), "credentials"),
            (new().credentials(true), "credentials"),
            (new().origins(Origins::These(vec!["null".to_owned()])).credentials(true), "credentials"),
            (new().origins(Origins::These(vec!["https://a.example/".to_owned()])), "origins"),
            (new().prefix("store"), "prefix"),
            (new().prefix("/store/"), "prefix"),
            (new().prefix("/"), "prefix"),
            (new().prefix("/a?b"), "prefix"),
        ] {
            match options.checked() {
                Err(StoreError::InvalidOption { option, .. }) => assert_eq!(option, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(new().checked().is_ok() && new().prefix("/a/b").checked().is_ok());
        assert_eq!((new().pack_length_limit(), new().chunk_bytes_limit()), (256 << 20, 16 << 20));
        let small = new().pack_bytes(SMALLEST_PACK).checked().unwrap();
        assert_eq!((small.pack_length_limit(), small.chunk_bytes_limit()), (32 << 20, SMALLEST_PACK - 48));
    }
}
