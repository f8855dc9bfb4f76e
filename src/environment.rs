//! Sizes that the environment may set.

use core::ops::RangeInclusive;
use std::env::{VarError, var};

/// Returns the size in bytes that the environment variable `name` holds, if it is set.
///
/// # Errors
/// When it is set to anything but a decimal integer in `range`.
pub(crate) fn size(
    name: &'static str,
    range: RangeInclusive<usize>,
) -> Result<Option<usize>, EnvironmentError> {
    let text = match var(name) {
        Err(VarError::NotPresent) => return Ok(None),
        Err(VarError::NotUnicode(_)) => None,
        Ok(text) => Some(text),
    };
    match text.and_then(|text| text.parse().ok()) {
        Some(size) if range.contains(&size) => Ok(Some(size)),
        _ => Err(EnvironmentError { name, min: *range.start(), max: *range.end() }),
    }
}

/// An environment variable of this library is not an integer in its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not an integer from {min} to {max}")]
#[non_exhaustive]
pub struct EnvironmentError {
    /// Name of the variable.
    pub name: &'static str,
    /// The smallest allowed value.
    pub min: usize,
    /// The largest allowed value.
    pub max: usize,
}

impl EnvironmentError {
    /// The stable, machine-readable name of this error: `invalid_environment`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_environment"
    }
}
