//! Routes: which paths are which operations.

use super::answer::{OCTETS, Refusal, quoted};
use super::media::Presentation;
use super::options::EngineOptions;
use super::range::{Conditions, number};
use super::request::{Query, RequestHead};
use super::wire;
use crate::chunk::{ChunkId, Root};
use chunker::hashing::HashAlgorithm;
use std::ops::Range;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Describe the server: version, encodings, limits.
    Describe,
    /// Say which chunks are missing.
    AskMissing,
    /// Store chunks.
    WritePack,
    /// Send many chunks.
    ReadChunks,
    /// Send one chunk.
    ReadChunk,
    /// Commit a file.
    Commit,
    /// Send a manifest.
    ReadManifest,
    /// Send a file, or a part of it.
    ReadFile,
    /// Delete a file.
    Delete,
    /// List the files.
    List,
    /// Say how much is stored.
    Usage,
}

impl Operation {
    /// The operation's name in metrics and logs; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::AskMissing => "ask_missing",
            Self::WritePack => "write_pack",
            Self::ReadChunks => "read_chunks",
            Self::ReadChunk => "read_chunk",
            Self::Commit => "commit",
            Self::ReadManifest => "read_manifest",
            Self::ReadFile => "read_file",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Usage => "usage",
        }
    }

    /// Whether it changes the store.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::WritePack | Self::Commit | Self::Delete)
    }
}

/// What a client expects of the chunks of a file that it commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The server has confirmed them all.
    Stored,
    /// The server may already have them all.
    Known,
    /// The server has them, or is receiving them.
    Sent,
}

/// How chunks are to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// As zstd frames, where they are stored that way.
    AsStored,
    /// As they are, verified by their digests.
    Verified,
}

/// What a request asks for, with all that its head says about it.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Describe,
    AskMissing(HashAlgorithm),
    WritePack(HashAlgorithm),
    ReadChunks { algorithm: HashAlgorithm, form: Form },
    ReadChunk(ChunkId, Conditions),
    Commit { root: Root, expected: Expected },
    ReadManifest(Root, Conditions),
    ReadFile(Root, Conditions, Presentation),
    Download { root: Root, form: Form, part: Range<u64> },
    Delete(Root),
    List { after: Option<Root>, limit: usize },
    Usage,
}

impl Asked {
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Describe => Operation::Describe,
            Self::AskMissing(_) => Operation::AskMissing,
            Self::WritePack(_) => Operation::WritePack,
            Self::ReadChunks { .. } => Operation::ReadChunks,
            Self::ReadChunk(..) => Operation::ReadChunk,
            Self::Commit { .. } => Operation::Commit,
            Self::ReadManifest(..) => Operation::ReadManifest,
            Self::ReadFile(..) | Self::Download { .. } => Operation::ReadFile,
            Self::Delete(_) => Operation::Delete,
            Self::List { .. } => Operation::List,
            Self::Usage => Operation::Usage,
        }
    }

    pub(super) const fn root(&self) -> Option<Root> {
        match self {
            Self::Commit { root, .. }
            | Self::ReadManifest(root, _)
            | Self::ReadFile(root, ..)
            | Self::Download { root, .. }
            | Self::Delete(root) => Some(*root),
            _ => None,
        }
    }
}

/// A path that exists.
enum Place<'a> {
    Server,
    Missing(&'a str),
    Packs(&'a str),
    Read(&'a str),
    Chunk(&'a str, &'a str),
    Manifest(&'a str),
    File(&'a str),
    Download(&'a str),
    Files,
    Usage,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let mut parts = path.split('/');
        if (parts.next(), parts.next()) != (Some(""), Some("v1")) {
            return None;
        }
        let place = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Self::Server,
            (Some("usage"), None, _) => Self::Usage,
            (Some("files"), None, _) => Self::Files,
            (Some("files"), Some(root), None) => Self::File(root),
            (Some("files"), Some(root), Some("chunks")) => Self::Download(root),
            (Some("manifests"), Some(root), None) => Self::Manifest(root),
            (Some("packs"), Some(algorithm), None) => Self::Packs(algorithm),
            (Some("chunks"), Some(algorithm), Some("missing")) => Self::Missing(algorithm),
            (Some("chunks"), Some(algorithm), Some("read")) => Self::Read(algorithm),
            (Some("chunks"), Some(algorithm), Some(digest)) => Self::Chunk(algorithm, digest),
            _ => return None,
        };
        parts.next().is_none().then_some(place)
    }

    const fn methods(&self) -> &'static str {
        match self {
            Self::Server | Self::Chunk(..) | Self::Files | Self::Usage | Self::Download(_) => {
                "GET, HEAD, OPTIONS"
            }
            Self::Missing(_) | Self::Packs(_) | Self::Read(_) => "POST, OPTIONS",
            Self::Manifest(_) => "GET, HEAD, PUT, OPTIONS",
            Self::File(_) => "GET, HEAD, DELETE, OPTIONS",
        }
    }
}

/// What the head of a request says.
pub(super) enum Routed {
    /// It asks which methods the path has.
    Methods(&'static str),
    /// It asks for something, with a body of this length.
    Asked(Asked, Option<u64>),
}

/// Files in the longest list.
const LONGEST_LIST: usize = 1000;

/// Returns what a request asks for, or why its head alone is refused.
pub(super) fn route(options: &EngineOptions, head: &RequestHead) -> Result<Routed, Refusal> {
    if !head.target.starts_with('/') || !head.target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::malformed(
            "the path does not start with / or has bytes other than visible ASCII",
        ));
    }
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let place = path.strip_prefix(options.prefix.as_str()).and_then(Place::of);
    let place = place.ok_or_else(|| {
        let message =
            format!("this path is not part of the protocol (paths start with {}/v1)", options.prefix);
        Refusal::new(404, "not_found", message)
    })?;
    if head.method == "OPTIONS" {
        return Ok(Routed::Methods(place.methods()));
    }
    if !place.methods().split(", ").any(|method| method == head.method) {
        return Err(Refusal::method_not_allowed(&head.method, place.methods()));
    }
    let (query, conditions) = (Query::new(query), || Conditions::of(head));
    let asked = match (place, head.method.as_str()) {
        (Place::Server, _) => Asked::Describe,
        (Place::Usage, _) => Asked::Usage,
        (Place::Files, _) => list(&query)?,
        (Place::Missing(name), _) => Asked::AskMissing(algorithm(name)?),
        (Place::Packs(name), _) => Asked::WritePack(algorithm(name)?),
        (Place::Read(name), _) => Asked::ReadChunks { algorithm: algorithm(name)?, form: form(&query)? },
        (Place::Chunk(name, digits), _) => {
            Asked::ReadChunk(ChunkId::new(algorithm(name)?, digest(digits)?), conditions())
        }
        (Place::Manifest(name), "PUT") => Asked::Commit { root: root(name)?, expected: expected(&query)? },
        (Place::Manifest(name), _) => Asked::ReadManifest(root(name)?, conditions()),
        (Place::Download(name), _) => {
            Asked::Download { root: root(name)?, form: form(&query)?, part: part(&query)? }
        }
        (Place::File(name), "DELETE") => Asked::Delete(root(name)?),
        (Place::File(name), _) => Asked::ReadFile(root(name)?, conditions(), Presentation::of(&query)?),
    };
    let length = body_length(options, head, &asked)?;
    Ok(Routed::Asked(asked, length))
}

/// Returns the length of the body, if the request has one, within the limits.
fn body_length(options: &EngineOptions, head: &RequestHead, asked: &Asked) -> Result<Option<u64>, Refusal> {
    let is_question = match asked {
        Asked::AskMissing(_) | Asked::WritePack(_) | Asked::ReadChunks { .. } => true,
        Asked::Commit { .. } => false,
        _ => return Ok(None),
    };
    let unsupported = |message: String| Refusal::new(415, "unsupported_media_type", message);
    if let Some(encoding) = head.header("content-encoding") {
        let encoding = quoted(encoding);
        return Err(unsupported(format!("the Content-Encoding is {encoding} (expected none)")));
    }
    let media_type = head.header("content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if is_question && !essence.eq_ignore_ascii_case(OCTETS) {
        let media_type = quoted(media_type);
        return Err(unsupported(format!("the Content-Type is {media_type} (expected {OCTETS})")));
    }
    let length = head.body_length()?;
    let digests = |limit: u64| {
        if length > limit * 32 {
            return Err(Refusal::above(
                "too_many_digests",
                format_args!("the request has {} digests", length / 32),
                limit,
            ));
        }
        if length == 0 || length % 32 != 0 {
            return Err(Refusal::new(
                400,
                "invalid_length",
                format!("the body has {length} bytes (expected a positive multiple of 32)"),
            ));
        }
        Ok(())
    };
    match asked {
        Asked::AskMissing(_) => digests(options.missing_digests)?,
        Asked::ReadChunks { .. } => digests(options.read_digests)?,
        Asked::WritePack(_) if length > options.pack_bytes => {
            return Err(Refusal::above(
                "pack_too_large",
                format_args!("the pack has {length} bytes"),
                options.pack_bytes,
            ));
        }
        Asked::WritePack(_) if length <= (wire::HEAD + wire::ROW) as u64 => {
            return Err(Refusal::invalid_pack("the body is too short to be a pack"));
        }
        Asked::Commit { .. } if length > options.manifest_bytes => {
            let limit = options.manifest_bytes;
            return Err(Refusal::above(
                "manifest_too_large",
                format_args!("the manifest has {length} bytes"),
                limit,
            ));
        }
        _ => {}
    }
    Ok(Some(length))
}

fn list(query: &Query<'_>) -> Result<Asked, Refusal> {
    let after = query
        .field("after")?
        .map(|after| after.parse().map_err(|_| Refusal::invalid_field("after", &after, "a root")));
    let after = after.transpose()?;
    let limit = match query.field("limit")? {
        None => LONGEST_LIST,
        Some(limit) => {
            let digits = limit.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = limit.parse().ok().filter(|limit| digits && (1..=LONGEST_LIST).contains(limit));
            parsed.ok_or_else(|| Refusal::invalid_field("limit", &limit, "1 to 1000"))?
        }
    };
    Ok(Asked::List { after, limit })
}

fn expected(query: &Query<'_>) -> Result<Expected, Refusal> {
    match query.field("expect")?.as_deref() {
        None => Ok(Expected::Stored),
        Some("known") => Ok(Expected::Known),
        Some("sent") => Ok(Expected::Sent),
        Some(other) => Err(Refusal::invalid_field("expect", other, "known or sent")),
    }
}

fn form(query: &Query<'_>) -> Result<Form, Refusal> {
    let form = match query.field("encoding")?.as_deref() {
        None => Form::Plain,
        Some("zstd") => Form::AsStored,
        Some(other) => return Err(Refusal::invalid_field("encoding", other, "zstd")),
    };
    match query.field("verify")?.as_deref() {
        None => Ok(form),
        Some("digest") => Ok(Form::Verified),
        Some(other) => Err(Refusal::invalid_field("verify", other, "digest")),
    }
}

/// Returns the part of a file that is asked for; it may go beyond the end.
fn part(query: &Query<'_>) -> Result<Range<u64>, Refusal> {
    let place = |name, default| match query.field(name)? {
        None => Ok(default),
        Some(digits) => {
            number(&digits).ok_or_else(|| Refusal::invalid_field(name, &digits, "a number of bytes"))
        }
    };
    Ok(place("start", 0)?..place("end", u64::MAX)?)
}

fn algorithm(name: &str) -> Result<HashAlgorithm, Refusal> {
    name.parse().map_err(|_| {
        Refusal::new(400, "unknown_hash_algorithm", "unknown hash algorithm (expected sha256 or blake3)")
    })
}

fn digest(digits: &str) -> Result<[u8; 32], Refusal> {
    let mut digest = [0; 32];
    match hex::decode_to_slice(digits, &mut digest) {
        Ok(()) if !digits.bytes().any(|digit| digit.is_ascii_uppercase()) => Ok(digest),
        _ => {
            let digits = quoted(digits);
            let message = format!("the digest is {digits} (expected 64 lowercase hexadecimal digits)");
            Err(Refusal::new(400, "invalid_digest", message))
        }
    }
}

fn root(name: &str) -> Result<Root, Refusal> {
    name.parse().map_err(|error: crate::InvalidRoot| Refusal::new(400, error.code(), error.to_string()))
}
