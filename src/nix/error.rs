//! Errors in a narinfo.

use alloc::string::String;

/// Why a narinfo is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNarInfo {
    /// A path is not a valid Nix store path.
    #[error("invalid store path {path:?}")]
    StorePath {
        /// The path.
        path: String,
    },
    /// The size of the NAR is 0.
    #[error("NAR size is 0 (expected at least 1)")]
    NarSize,
    /// A line of a file is not `Name: value`.
    #[error("line {line} is not of the form \"Name: value\"")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A file lacks a field.
    #[error("field {field} is missing")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A file repeats a field that may occur only once.
    #[error("field {field} is repeated")]
    Repeated {
        /// The field's name.
        field: &'static str,
    },
    /// A field has an invalid value.
    #[error("field {field} has the invalid value {value:?}")]
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
