//! Errors that cross into the VM.

use chunker::ProfileError;
use chunker::chunking::{ChunkingError, OptionsError};
use chunker::compression::CompressionError;
use chunker::hashing::UnknownHashAlgorithm;
use chunker::manifest::ManifestError;
use chunker::nix::references::ReferenceError;
use chunker::nix::{InvalidBase32, InvalidNarInfo, InvalidNixHash};
use chunker::signing::SigningError;
use rustler::{Atom, Encoder, Env, Term};

/// The code of an error: the core's, or one of those that only bindings have. An atom in Elixir.
#[derive(Clone, Copy)]
pub(crate) struct Failure(&'static str);

impl Failure {
    /// A resource was used after its end.
    pub(crate) const CLOSED: Self = Self("chunker_closed");
    /// A resource was used while another process is using it.
    pub(crate) const BUSY: Self = Self("chunker_busy");
    /// A seed that is no integer of 64 bits, and so never reaches the core's checks.
    pub(crate) const SEED: Self = Self("invalid_chunking_options");
    /// A value that no argument of this kind can have.
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
