//! Errors in a narinfo.

use alloc::string::String;

/// Why a narinfo is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNarInfo {
    /// A path is not a valid Nix store path.
    #[error("not a store path: {path:?}")]
    StorePath {
        /// The path.
        path: String,
    },
    /// No NAR is 0 bytes long.
    #[error("a NAR cannot be 0 bytes long")]
    NarSize,
    /// A line of a file is not `Name: value`.
    #[error("line {line} is not a name, a colon, a space and a value")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A file lacks a field.
    #[error("the field {field} is missing")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A file repeats a field that may occur only once.
    #[error("the field {field} is repeated")]
    Repeated {
        /// The field's name.
        field: &'static str,
    },
    /// A field has an invalid value.
    #[error("the field {field} cannot be {value:?}")]
    Value {
        /// The field's name.
        field: String,
        /// The value.
        value: String,
    },
}

impl InvalidNarInfo {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StorePath { .. } => "invalid_store_path",
            Self::NarSize => "invalid_nar_size",
            Self::Line { .. } | Self::Missing { .. } | Self::Repeated { .. } | Self::Value { .. } => {
                "invalid_narinfo"
            }
        }
    }
}
