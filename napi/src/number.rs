//! JavaScript numbers as integers, checked.

use crate::failure::Failure;
use napi::ValueType;
use napi::bindgen_prelude::{Either, Unknown};

/// JavaScript numbers are exact up to this integer.
pub(crate) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A number, or any other value.
pub(crate) type Number<'a> = Either<f64, Unknown<'a>>;

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

/// Returns an integer in `0..=2^53-1`; `None` stands for `undefined`.
pub(crate) fn integer(value: Number<'_>, refusal: impl FnOnce() -> Failure) -> Result<Option<u64>, Failure> {
    match value {
        Either::A(number) => from_f64(number).map(Some).ok_or_else(refusal),
        Either::B(other) if is_undefined(&other) => Ok(None),
        Either::B(_) => Err(refusal()),
    }
}

/// Returns a size for the core to check; `None` stands for `undefined`.
pub(crate) fn size(value: Number<'_>, name: &str) -> Result<Option<usize>, Failure> {
    let size = integer(value, || Failure::size(name))?;
    // A size that this platform cannot address is above every limit of the core.
    Ok(size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)))
}

/// Returns the value of an option that is an integer; `None` stands for `undefined`.
pub(crate) fn option(value: Number<'_>, refusal: &'static str) -> Result<Option<u64>, Failure> {
    integer(value, || Failure::argument(refusal))
}

/// Whether `value` is `undefined`.
pub(crate) fn is_undefined(value: &Unknown<'_>) -> bool {
    value.get_type().is_ok_and(|kind| kind == ValueType::Undefined)
}
