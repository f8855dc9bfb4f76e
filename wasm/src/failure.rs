//! Errors that cross into JavaScript.

#[cfg(feature = "codecs")]
use chunker::compression::CompressionError;
#[cfg(feature = "chunking")]
use chunker::hashing::UnknownHashAlgorithm;
use chunker::manifest::ManifestError;
#[cfg(feature = "codecs")]
use chunker::nix::references::ReferenceError;
#[cfg(feature = "codecs")]
use chunker::nix::{InvalidBase32, InvalidNarInfo, InvalidNixHash};
#[cfg(feature = "codecs")]
use chunker::signing::SigningError;
#[cfg(feature = "chunking")]
use chunker::{ProfileError, chunking::OptionsError};
use js_sys::{Error, Reflect};
use std::borrow::Cow;
#[cfg(feature = "codecs")]
use std::error::Error as _;
use wasm_bindgen::JsValue;

/// A code and a message: the core's, or one of the two that only bindings have.
pub struct Failure {
    code: &'static str,
    message: Cow<'static, str>,
}

impl Failure {
    /// A handle was used after its end.
    pub(crate) const CLOSED: Self =
        Self { code: "chunker_closed", message: Cow::Borrowed("the object was already finished") };

    /// A value that no argument of this kind can have.
    pub(crate) const fn argument(message: &'static str) -> Self {
        Self { code: "invalid_argument", message: Cow::Borrowed(message) }
    }

    /// A level that is not an integer, and so never reaches the core's checks.
    #[cfg(feature = "codecs")]
    pub(crate) const LEVEL: Self =
        Self { code: "invalid_compression_level", message: Cow::Borrowed("level is not an integer") };

    /// A size that is not an integer, and so never reaches the core's checks.
    #[cfg(feature = "chunking")]
    pub(crate) fn size(name: &str) -> Self {
        let message = format!("{name} is not a non-negative integer");
        Self { code: "invalid_chunking_options", message: message.into() }
    }

    /// A seed that is not a 64-bit integer, and so never reaches the core's checks.
    #[cfg(feature = "chunking")]
    pub(crate) const SEED: Self = Self {
        code: "invalid_chunking_options",
        message: Cow::Borrowed("seed is not an integer from 0 to 2^64-1 (above 2^53-1, pass a bigint)"),
    };

    /// The module's memory cannot hold `length` more bytes.
    pub(crate) fn memory(length: usize) -> Self {
        let message = format!("out of memory for {length} bytes");
        Self { code: "memory_limit_exceeded", message: message.into() }
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

from_core!(ManifestError);
#[cfg(feature = "chunking")]
from_core!(OptionsError, ProfileError, UnknownHashAlgorithm);
#[cfg(feature = "codecs")]
from_core!(InvalidBase32, InvalidNarInfo, InvalidNixHash, ReferenceError, SigningError);

#[cfg(feature = "codecs")]
impl From<CompressionError> for Failure {
    fn from(error: CompressionError) -> Self {
        let message = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self { code: error.code(), message: message.into() }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let error = Error::new(&failure.message);
        // Setting a property of a new, ordinary object succeeds.
        let _ = Reflect::set(&error, &"code".into(), &failure.code.into());
        error.into()
    }
}
