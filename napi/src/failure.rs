//! Errors that cross into JavaScript.

use chunker::ProfileError;
use chunker::chunking::{ChunkingError, OptionsError};
use chunker::compression::CompressionError;
use chunker::hashing::UnknownHashAlgorithm;
use chunker::manifest::ManifestError;
use chunker::nix::references::ReferenceError;
use chunker::nix::{InvalidBase32, InvalidNarInfo, InvalidNixHash};
use chunker::signing::SigningError;
use chunker_store::{InvalidRoot, StoreError};
use napi::JsError;
use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::io;

/// A code and a message: from the core, or one that only bindings have.
#[derive(Debug)]
pub struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    /// A handle was used after its end.
    pub(crate) const CLOSED: Self =
        Self { code: "chunker_closed", message: Cow::Borrowed("the object was already finished") };

    /// A level that is not an integer, and so never reaches the core's checks.
    pub(crate) const LEVEL: Self =
        Self { code: "invalid_compression_level", message: Cow::Borrowed("level is not an integer") };

    /// A seed that is not a 64-bit integer, and so never reaches the core's checks.
    pub(crate) const SEED: Self = Self {
        code: "invalid_chunking_options",
        message: Cow::Borrowed("seed is not an integer from 0 to 2^64-1 (above 2^53-1, pass a bigint)"),
    };

    /// An argument with an invalid value.
    pub(crate) const fn argument(message: &'static str) -> Self {
        Self { code: "invalid_argument", message: Cow::Borrowed(message) }
    }

    /// A size that is not an integer, and so never reaches the core's checks.
    pub(crate) fn size(name: &str) -> Self {
        let message = format!("{name} is not a non-negative integer");
        Self { code: "invalid_chunking_options", message: message.into() }
    }

    /// An option with an invalid value.
    pub(crate) fn field(name: &str, expected: &str) -> Self {
        Self { code: "invalid_argument", message: format!("{name} is not {expected}").into() }
    }

    /// Node creates no promise, which happens only while the process ends.
    pub(crate) fn promise(error: &napi::Error) -> Self {
        Self { code: "internal_error", message: error.to_string().into() }
    }

    /// Memory ran out for `length` more bytes.
    pub(crate) fn memory(length: usize) -> Self {
        let message = format!("cannot allocate {length} bytes");
        Self { code: "memory_limit_exceeded", message: message.into() }
    }

    /// The file at `path` cannot be opened.
    pub(crate) fn file(path: &str, error: &io::Error) -> Self {
        Self { code: "io_error", message: format!("{path}: {error}").into() }
    }

    /// The system cannot start another thread.
    pub(crate) fn threads(error: &dyn Error) -> Self {
        Self { code: "io_error", message: format!("cannot start a thread: {error}").into() }
    }

    /// A panic in one of our threads: a bug.
    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Self {
        let reason = payload.downcast_ref::<String>().map(String::as_str);
        let reason = reason.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Self { code: "internal_error", message: format!("panicked: {reason}").into() }
    }
}

macro_rules! from_core {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { code: error.code(), message: error.to_string().into() }
            }
        }
    )+};
}

from_core!(
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

macro_rules! from_core_with_source {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let message = match error.source() {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                Self { code: error.code(), message: message.into() }
            }
        }
    )+};
}

from_core_with_source!(ChunkingError, CompressionError);
from_core!(InvalidRoot);

/// An error of a store, with all of its causes.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let mut message = match &error {
            StoreError::InvalidOption { option, value, expected } => {
                format!("{} is {value} (expected {})", camel_case(option), camel_case(expected))
            }
            _ => error.to_string(),
        };
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self { code: error.code(), message: message.into() }
    }
}

/// Returns a text with the JavaScript names of options.
fn camel_case(text: &str) -> String {
    let mut words = text.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_ascii_uppercase() + rest
    })
}

/// What napi throws.
impl From<Failure> for JsError<&'static str> {
    fn from(failure: Failure) -> Self {
        napi::Error::new(failure.code, failure.message.into_owned()).into()
    }
}
