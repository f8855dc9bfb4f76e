//! Errors that cross into the VM.

use crate::terms::Bytes;
use chunker::ProfileError;
use chunker::chunking::{ChunkingError, OptionsError};
use chunker::compression::CompressionError;
use chunker::hashing::UnknownHashAlgorithm;
use chunker::manifest::ManifestError;
use chunker::nix::references::ReferenceError;
use chunker::nix::{InvalidBase32, InvalidNarInfo, InvalidNixHash};
use chunker::signing::SigningError;
use chunker_store::{CommitError, InvalidRoot, StoreError};
use rustler::{Atom, Encoder, Env, Term};
use std::error::Error;

/// The code of an error: from the core, or one that only bindings have. An atom in Elixir.
#[derive(Clone, Copy)]
pub(crate) struct Failure(&'static str);

impl Failure {
    /// A resource was used after its end.
    pub(crate) const CLOSED: Self = Self("chunker_closed");
    /// A resource was used while another process is using it.
    pub(crate) const BUSY: Self = Self("chunker_busy");
    /// A seed that is not a 64-bit integer, and so never reaches the core's checks.
    pub(crate) const SEED: Self = Self("invalid_chunking_options");
    /// An argument with an invalid value.
    pub(crate) const ARGUMENT: Self = Self("invalid_argument");

    /// Returns the error of a code of the core.
    pub(crate) const fn of(code: &'static str) -> Self {
        Self(code)
    }
}

impl Encoder for Failure {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        // Codes are short ASCII texts, so the alternative never happens.
        Atom::from_str(env, self.0).map_or_else(|_| self.0.encode(env), |code| code.to_term(env))
    }
}

macro_rules! from_core {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.code())
            }
        }
    )+};
}

from_core!(
    ChunkingError,
    CompressionError,
    InvalidBase32,
    InvalidNarInfo,
    InvalidNixHash,
    ManifestError,
    OptionsError,
    ProfileError,
    ReferenceError,
    SigningError,
    UnknownHashAlgorithm
);

/// An error of a store: its code, its message with all causes, and the missing chunks. Becomes a
/// `Chunker.Error`.
pub(crate) struct StoreFailure {
    failure: Failure,
    message: Option<String>,
    chunks: Vec<[u8; 32]>,
}

impl StoreFailure {
    /// The work panicked.
    pub(crate) fn panicked() -> Self {
        StoreError::TaskLost(chunker_store::host::TaskLost).into()
    }

    /// An argument has an invalid value.
    pub(crate) fn argument(message: String) -> Self {
        Self { message: Some(message), ..Failure::ARGUMENT.into() }
    }

    fn new(code: &'static str, error: &dyn Error) -> Self {
        Self { failure: Failure(code), message: Some(chain(error)), chunks: Vec::new() }
    }
}

/// Returns the messages of an error and its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<Failure> for StoreFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, message: None, chunks: Vec::new() }
    }
}

macro_rules! with_message {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreFailure {
            fn from(error: $error) -> Self {
                Self::new(error.code(), &error)
            }
        }
    )+};
}

with_message!(InvalidRoot, ManifestError, ReferenceError, StoreError, UnknownHashAlgorithm);

impl From<CommitError> for StoreFailure {
    fn from(error: CommitError) -> Self {
        let failure = Self::new(error.code(), &error);
        match error {
            CommitError::MissingChunks { chunks } => {
                Self { chunks: chunks.iter().map(|chunk| chunk.digest).collect(), ..failure }
            }
            _ => failure,
        }
    }
}

impl Encoder for StoreFailure {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let chunks: Vec<_> = self.chunks.iter().map(Bytes).collect();
        (self.failure, &self.message, chunks).encode(env)
    }
}
