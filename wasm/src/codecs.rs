//! The second module: codecs, signatures and Nix.

pub mod compression;
pub mod nix;
pub mod references;
pub mod signing;

use crate::failure::Failure;
use crate::number;
use wasm_bindgen::JsValue;

/// Returns the value of an option that is an integer; `None` stands for `undefined`.
fn option(value: &JsValue, refusal: &'static str) -> Result<Option<u64>, Failure> {
    if value.is_undefined() {
        return Ok(None);
    }
    number::integer(value).map(Some).ok_or(Failure::argument(refusal))
}
