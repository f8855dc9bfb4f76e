//! Answers: results, and refusals with a code whose meaning never changes.

use super::budget::{Busy, Reservation};
use super::json::{self, Json};
use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::pack::encoding::ChunkError;
use crate::spool::SpoolError;
use bytes::Bytes;
use chunker::manifest::ManifestError;
use futures::stream::{BoxStream, Stream, StreamExt as _};
use std::borrow::Cow;
use std::fmt;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The answer that a shell sends to the client.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names and values of all headers, including `Content-Length` if there is a body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: AnswerBody,
    /// The file that this request committed.
    pub committed: Option<Committed>,
    /// The code of a refusal.
    pub code: Option<Cow<'static, str>>,
    /// What went wrong in the store, for the server's log; clients are not told.
    pub cause: Option<StoreError>,
}

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// There is none.
    Empty,
    /// All of it.
    Bytes(Bytes),
    /// In pieces.
    Stream(AnswerStream),
}

/// A file that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// Its name.
    pub root: Root,
    /// Its length in bytes.
    pub length: u64,
    /// Whether the file is new.
    pub new: bool,
}

/// The body of an answer in verified pieces, which add up to its `Content-Length`.
///
/// An error ends the stream: the shell must cut the connection, so that the client does not take the
/// body for complete. The stream holds its share of the memory budget until you drop it.
pub struct AnswerStream {
    pieces: BoxStream<'static, Result<Bytes, StoreError>>,
    _memory: Reservation,
}

impl AnswerStream {
    pub(super) fn new(
        pieces: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static,
        memory: Reservation,
    ) -> Self {
        Self { pieces: pieces.boxed(), _memory: memory }
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.as_mut().poll_next(context)
    }
}

impl fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerStream").finish_non_exhaustive()
    }
}

impl Answer {
    pub(super) const fn new(status: u16, body: AnswerBody) -> Self {
        Self { status, headers: Vec::new(), body, committed: None, code: None, cause: None }
    }

    pub(super) fn json(status: u16, json: String) -> Self {
        Self::new(status, AnswerBody::Bytes(json.into())).with("Content-Type", "application/json")
    }

    pub(super) fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(200, AnswerBody::Bytes(bytes.into())).with("Content-Type", OCTETS)
    }

    /// Returns an answer for a path that the shell serves itself: status 200 and a text.
    #[must_use]
    pub fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let length = text.len().to_string();
        let answer = Self::new(200, AnswerBody::Bytes(text)).with("Content-Length", length);
        let answer = answer.with("Content-Type", "text/plain; charset=utf-8");
        answer.with("Cache-Control", "no-store").with("X-Content-Type-Options", "nosniff")
    }

    /// Returns an answer whose body, of `length` bytes, comes later.
    pub(super) fn streamed(status: u16, length: u64, body: AnswerBody) -> Self {
        Self::new(status, body).with("Content-Length", length.to_string())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }
}

/// The media type of bytes about which nothing is known.
pub(super) const OCTETS: &str = "application/octet-stream";

/// Why a request is refused. Shells can have their own reasons; see
/// [`Request::refuse`](super::Request::refuse).
#[derive(Debug)]
pub struct Refusal(Box<Reason>);

#[derive(Debug)]
struct Reason {
    status: u16,
    code: Cow<'static, str>,
    message: String,
    details: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    cause: Option<StoreError>,
}

impl Refusal {
    /// Returns a refusal with a status of 400 to 599, a `code` in lowercase with underscores, which clients
    /// may rely on, and a `message` for people.
    #[must_use]
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        let reason = Reason { status, code, message, details: Vec::new(), headers: Vec::new(), cause: None };
        Self(Box::new(reason))
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// 401: credentials are missing or wrong. `challenge` is the value of `WWW-Authenticate`, such as
    /// `Bearer`.
    #[must_use]
    pub fn unauthorized(challenge: impl Into<String>) -> Self {
        Self::new(401, "unauthorized", "authorization is missing or wrong")
            .with_header("WWW-Authenticate", challenge)
    }

    /// 403: the client may not do this.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(403, "forbidden", "you may not do this")
    }

    /// 403: the server is read-only.
    #[must_use]
    pub fn read_only() -> Self {
        Self::new(403, "read_only", "this server is read-only")
    }

    /// 405: the path does not support `method`, only the `allowed` ones, a list separated by `, `.
    #[must_use]
    pub fn method_not_allowed(method: &str, allowed: &str) -> Self {
        let message = format!("this path does not support {method} (expected {allowed})");
        Self::new(405, "method_not_allowed", message).with_header("Allow", allowed)
    }

    /// 408: the client paused too long while sending the body.
    #[must_use]
    pub fn request_timeout() -> Self {
        Self::new(408, "request_timeout", "the body stopped arriving for longer than the server waits")
    }

    /// 421: the server does not have this name.
    #[must_use]
    pub fn misdirected() -> Self {
        Self::new(421, "misdirected_request", "Host is not a name of this server")
    }

    /// 503: the server is busy.
    #[must_use]
    pub fn server_busy() -> Self {
        Self::new(503, "server_busy", "the server is busy: try again later").with_header("Retry-After", "1")
    }

    /// 507: the disk, or a quota, is full.
    #[must_use]
    pub fn insufficient_storage() -> Self {
        Self::new(507, "insufficient_storage", "the disk or your quota is full")
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "malformed_request", message)
    }

    pub(super) fn invalid_query(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_query", message)
    }

    /// 400: a query field has an invalid value.
    pub(super) fn invalid_field(name: &str, value: &str, expected: &str) -> Self {
        let value = quoted(value);
        Self::invalid_query(format!("the query field `{name}` is {value} (expected {expected})"))
    }

    pub(super) fn length_required() -> Self {
        Self::new(411, "length_required", "a body needs a Content-Length and no Transfer-Encoding")
    }

    pub(super) fn invalid_pack(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_pack", message)
    }

    pub(super) fn duplicate(algorithm: chunker::hashing::HashAlgorithm, digest: [u8; 32]) -> Self {
        let id = ChunkId::new(algorithm, digest);
        Self::new(400, "duplicate_digest", format!("chunk {id} occurs twice")).of(id)
    }

    /// 413: `found`, such as `the pack has 40000000 bytes`, is above the limit.
    pub(super) fn above(code: &'static str, found: impl fmt::Display, limit: u64) -> Self {
        Self::new(413, code, format!("{found} (limit: {limit})")).with_detail("limit", limit)
    }

    pub(super) fn chunk_not_found(id: ChunkId) -> Self {
        Self::new(404, "chunk_not_found", format!("chunk {id} is not in the store")).of(id)
    }

    pub(super) fn root_not_found(root: Root) -> Self {
        Self::new(404, "root_not_found", format!("file {root} is not in the store"))
    }

    /// A chunk from a client is damaged.
    pub(super) fn of_chunk(error: &ChunkError) -> Self {
        Self::new(400, error.code(), chain(error)).of(error.id())
    }

    /// A manifest from a client is invalid.
    pub(super) fn of_manifest(error: &ManifestError) -> Self {
        Self::new(400, error.code(), chain(error))
    }

    /// Adds a field to the body; its value is JSON.
    pub(super) fn with_detail(mut self, name: &'static str, json: impl fmt::Display) -> Self {
        self.0.details.push((name, json.to_string()));
        self
    }

    fn of(self, id: ChunkId) -> Self {
        self.with_detail("chunk", json::text(&hex::encode(id.digest)))
    }

    pub(super) fn into_answer(self) -> Answer {
        let Reason { status, code, message, details, headers, cause } = *self.0;
        let json = Json::default().with_text("code", &code).with_text("message", &message);
        let json = details.into_iter().fold(json, |json, (name, value)| json.with(name, value));
        let mut answer = Answer::json(status, json.finish());
        answer.headers.extend(headers);
        answer.code = Some(code);
        answer.cause = cause;
        answer
    }
}

impl From<Busy> for Refusal {
    fn from(Busy: Busy) -> Self {
        Self::server_busy()
    }
}

/// A failure of the store. The client learns only what it can act on.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let unavailable = || {
            let refusal = Self::new(503, "store_unavailable", "the store cannot be reached");
            refusal.with_header("Retry-After", "2")
        };
        let mut refusal = match &error {
            StoreError::RootNotFound { root } => Self::root_not_found(*root),
            StoreError::Chunk(source) => {
                Self::new(500, "chunk_damaged", "a stored chunk is damaged").of(source.id())
            }
            StoreError::ChunkNotFound { chunk } => {
                Self::new(500, "chunk_damaged", "a chunk of the file is lost").of(*chunk)
            }
            StoreError::Pack { .. } => Self::new(500, "chunk_damaged", "stored chunks are damaged"),
            StoreError::Manifest { .. }
            | StoreError::ManifestDigest { .. }
            | StoreError::ManifestAlgorithm { .. } => {
                Self::new(500, "manifest_damaged", "the stored manifest is damaged")
            }
            StoreError::ManifestTooLarge { length, limit } => {
                Self::above("manifest_too_large", format_args!("the manifest has {length} bytes"), *limit)
            }
            StoreError::Contended { .. } => unavailable(),
            StoreError::Object(object) => match object.kind {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    Self::insufficient_storage()
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound => {
                    Self::internal()
                }
                _ => unavailable(),
            },
            _ => Self::internal(),
        };
        refusal.0.cause = Some(error);
        refusal
    }
}

/// A spool failed. A failure of the cache's disk says nothing about the store.
impl From<SpoolError> for Refusal {
    fn from(SpoolError { error, is_of_store }: SpoolError) -> Self {
        let of_store = Self::from(StoreError::from(error));
        if is_of_store {
            return of_store;
        }
        let mut busy = Self::server_busy();
        busy.0.cause = of_store.0.cause;
        busy
    }
}

impl Refusal {
    pub(super) fn internal() -> Self {
        Self::new(500, "internal_error", "the server failed")
    }
}

/// Characters of a client's text that an error repeats.
const QUOTED: usize = 80;

/// Returns the beginning of a text that a client sent, in quotation marks.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Returns the messages of an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
