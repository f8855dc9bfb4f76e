//! Sizes that the environment may set.

use crate::options::OptionsError;
use core::ops::RangeInclusive;
use std::env::{VarError, var};

/// Returns the size in bytes that the environment variable `name` holds, if it is set.
///
/// # Errors
/// `invalid` when it is set to anything but a decimal integer in `range`.
pub(crate) fn size(
    name: &str,
    range: RangeInclusive<usize>,
    invalid: OptionsError,
) -> Result<Option<usize>, OptionsError> {
    match var(name) {
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(invalid),
        Ok(size) => match size.parse() {
            Ok(size) if range.contains(&size) => Ok(Some(size)),
            _ => Err(invalid),
        },
    }
}
