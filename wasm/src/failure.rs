//! Errors that cross into JavaScript.

use chunker::hashing::UnknownHashAlgorithm;
use chunker::manifest::ManifestError;
use chunker::{OptionsError, ProfileError};
use js_sys::{Error, Reflect};
use std::borrow::Cow;
use wasm_bindgen::JsValue;

/// A code and a message: the core's, or one of the two that only bindings have.
pub struct Failure {
    code: &'static str,
    message: Cow<'static, str>,
}

impl Failure {
    /// A handle was used after its end.
    pub(crate) const CLOSED: Self =
        Self { code: "chunker_closed", message: Cow::Borrowed("used after it was finished") };

    /// A value that no argument of this kind can have.
    pub(crate) const fn argument(message: &'static str) -> Self {
        Self { code: "invalid_argument", message: Cow::Borrowed(message) }
    }

    /// A size that is no integer, and so never reaches the core's checks.
    pub(crate) fn size(name: &str) -> Self {
        let message = format!("{name} is not a non-negative integer");
        Self { code: "invalid_chunking_options", message: message.into() }
    }

    /// The module's memory cannot hold `length` more bytes.
    pub(crate) fn memory(length: usize) -> Self {
        let message = format!("no memory for {length} bytes");
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

from_core!(ManifestError, OptionsError, ProfileError, UnknownHashAlgorithm);

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let error = Error::new(&failure.message);
        // Setting a property of a new, ordinary object succeeds.
        let _ = Reflect::set(&error, &"code".into(), &failure.code.into());
        error.into()
    }
}
