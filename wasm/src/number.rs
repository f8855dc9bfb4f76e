//! JavaScript numbers as integers, checked.

#[cfg(feature = "chunking")]
use crate::failure::Failure;
use wasm_bindgen::JsValue;

/// The largest integer up to which JavaScript's numbers are exact.
pub(crate) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Returns the value of an integer in `0..=2^53-1`, and `None` for everything else.
pub(crate) fn integer(value: &JsValue) -> Option<u64> {
    from_f64(value.as_f64()?)
}

/// Returns `number` if it is an integer in `0..=2^53-1`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and a number that it changed is refused"
)]
pub(crate) fn from_f64(number: f64) -> Option<u64> {
    let integer = number as u64;
    (integer <= MAX_SAFE_INTEGER && exact(integer) == number).then_some(integer)
}

/// Returns `integer`, which is at most 2^53-1, as a JavaScript number.
pub(crate) fn exact(integer: u64) -> f64 {
    integer as f64
}

/// Returns a size for the core to check; `None` stands for `undefined`.
#[cfg(feature = "chunking")]
pub(crate) fn size(value: &JsValue, name: &str) -> Result<Option<usize>, Failure> {
    if value.is_undefined() {
        return Ok(None);
    }
    let size = integer(value).ok_or_else(|| Failure::size(name))?;
    // Above every limit of the core, as all that this platform cannot address.
    Ok(Some(usize::try_from(size).unwrap_or(usize::MAX)))
}
