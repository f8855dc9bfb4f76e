//! What can go wrong, with messages and exit statuses.

use crate::interrupt::Signal;
use chunker::chunking::ChunkingError;
use chunker::manifest::ManifestError;
use chunker_store::{CommitError, FormatError, Root, StoreError};
use std::error::Error;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

/// Why a command failed, completely or in part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read {name}")]
    Open { name: String, source: io::Error },
    #[error("{name} is a folder; chunker stores files (tar packs a folder into one)")]
    Folder { name: String },
    #[error("cannot read {name}")]
    Input { name: String, source: ChunkingError },
    #[error("{name} changed while it was being stored: put it again")]
    InputChanged { name: String },
    #[error("chunks of {name} were collected while it was being stored: put it again")]
    InputCollected { name: String },
    #[error("{name} needs a manifest of more than {limit} bytes: use a profile with larger chunks")]
    TooManyChunks { name: String, limit: u64 },
    #[error("cannot write {name}")]
    Output { name: String, source: io::Error },
    #[error("cannot write to standard output")]
    StandardOutput(#[source] io::Error),
    #[error("standard output was closed")]
    OutputClosed,
    #[error("no root in the store starts with {prefix}")]
    NoSuchPrefix { prefix: String },
    #[error("{} roots begin with {prefix}: {} (use more digits)", roots.len(), list(roots))]
    AmbiguousPrefix { prefix: String, roots: Vec<Root> },
    #[error("range {range} is outside the file's {length} bytes")]
    Range { range: String, length: u64 },
    #[error("unknown command {name}")]
    NoSuchCommand { name: String },
    #[error("no home folder for the default store (use --store or CHUNKER_STORE)")]
    NoDefaultStore,
    #[error("cannot use the store {address}")]
    Unusable { address: String, source: StoreError },
    #[error("cannot start threads")]
    Threads(#[source] io::Error),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot handle signals")]
    Signals(#[source] io::Error),
    #[error("another part of this process already collects metrics")]
    Counting,
    #[error(
        "others can reach {address}: set a token (--token-file or CHUNKER_TOKEN), or allow everyone (--open)"
    )]
    TokenNeeded { address: SocketAddr },
    #[error("the token is empty (see --token-file and CHUNKER_TOKEN)")]
    EmptyToken,
    #[error("{failed} of {total} files could not be {done}")]
    Some { failed: usize, total: usize, done: &'static str },
    #[error("the store is damaged")]
    Damaged,
    #[error("interrupted by {0}")]
    Interrupted(Signal),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

fn list(roots: &[Root]) -> String {
    let shown: Vec<_> = roots.iter().take(4).map(ToString::to_string).collect();
    let more = if roots.len() > shown.len() { ", …" } else { "" };
    shown.join(", ") + more
}

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const DAMAGED: u8 = 4;
const OUTPUT_CLOSED: u8 = 141;

impl Failure {
    /// Returns what can be asked about a failure of the standard output.
    pub(crate) fn of_standard_output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::StandardOutput(error),
        }
    }

    /// Returns whether the failure is about one input, so that others can still be read.
    pub(crate) const fn is_of_input(&self) -> bool {
        matches!(
            self,
            Self::Open { .. }
                | Self::Folder { .. }
                | Self::Input { .. }
                | Self::InputChanged { .. }
                | Self::InputCollected { .. }
                | Self::TooManyChunks { .. }
        )
    }

    /// The stable, machine-readable name of this failure.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Output { .. } | Self::StandardOutput(_) => "io_error",
            Self::Folder { .. } => "input_is_folder",
            Self::Input { source, .. } => source.code(),
            Self::InputChanged { .. } => "input_changed",
            Self::InputCollected { .. } => "input_collected",
            Self::TooManyChunks { .. } => "manifest_too_large",
            Self::OutputClosed => "output_closed",
            Self::NoSuchPrefix { .. } => "root_not_found",
            Self::AmbiguousPrefix { .. } => "root_ambiguous",
            Self::Range { .. } => "range_not_satisfiable",
            Self::NoSuchCommand { .. } => "invalid_arguments",
            Self::NoDefaultStore => "store_not_found",
            Self::Unusable { source, .. } => source.code(),
            Self::Threads(_) => "threads_unavailable",
            Self::Listen { .. } => "cannot_listen",
            Self::Signals(_) => "signals_unavailable",
            Self::Counting => "metrics_unavailable",
            Self::TokenNeeded { .. } | Self::EmptyToken => "token_needed",
            Self::Some { .. } => "files_failed",
            Self::Damaged => "store_damaged",
            Self::Interrupted(_) => "interrupted",
            Self::Manifest(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Commit(error) => error.code(),
        }
    }

    /// The exit status of a process that ends with this failure.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Range { .. }
            | Self::AmbiguousPrefix { .. }
            | Self::NoSuchCommand { .. }
            | Self::TokenNeeded { .. }
            | Self::EmptyToken => USAGE,
            Self::NoSuchPrefix { .. } | Self::NoDefaultStore => NOT_FOUND,
            Self::Damaged => DAMAGED,
            Self::OutputClosed => OUTPUT_CLOSED,
            Self::Interrupted(signal) => signal.status(),
            Self::Store(error) | Self::Commit(CommitError::Store(error)) => status_of(error),
            _ => FAILURE,
        }
    }

    /// Prints the failure on standard error, with its causes: in one line, or as a JSON document.
    pub(crate) fn print(&self, json: bool) {
        if !matches!(self, Self::OutputClosed) {
            print_error(self.code(), &message(self), json);
        }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        failure.status().into()
    }
}

fn status_of(error: &StoreError) -> u8 {
    match error {
        StoreError::Format(FormatError::NoStore { .. }) | StoreError::RootNotFound { .. } => NOT_FOUND,
        StoreError::Format(FormatError::Address { .. })
        | StoreError::InvalidOption { .. }
        | StoreError::Range { .. } => USAGE,
        StoreError::Pack { .. }
        | StoreError::Chunk(_)
        | StoreError::ChunkNotFound { .. }
        | StoreError::Manifest { .. }
        | StoreError::ManifestDigest { .. }
        | StoreError::ManifestAlgorithm { .. }
        | StoreError::Doom { .. } => DAMAGED,
        _ => FAILURE,
    }
}

/// Prints an error to standard error. If that is closed too, the error is lost.
pub(crate) fn print_error(code: &str, message: &str, json: bool) {
    use std::io::Write as _;
    let line = if json {
        serde_json::json!({ "error": { "code": code, "message": message } }).to_string()
    } else {
        format!("error: {message}")
    };
    drop(writeln!(io::stderr(), "{line}"));
}

/// Prints a warning to standard error: the command has done its work, but something needs attention.
pub(crate) fn warn(text: impl Display) {
    use std::io::Write as _;
    drop(writeln!(io::stderr(), "warning: {text}"));
}

/// Returns the messages of an error and its causes, each once.
pub(crate) fn message(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Effect {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_is_said_once_whether_or_not_its_effect_repeats_it() {
        for text in ["cannot read x", "cannot read x: broken"] {
            let effect = Effect { text, source: io::Error::other("broken") };
            assert_eq!(message(&effect), "cannot read x: broken");
        }
    }
}
