//! What only benchmarks need.

use super::profile_of;
use crate::bytes;
use crate::failure::Failure;
use chunker::CutFinder;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

/// Returns the number of chunks of `data`, without their digests.
#[wasm_bindgen(js_name = countChunks)]
pub fn count_chunks(data: &Uint8Array, profile: &JsValue) -> Result<usize, Failure> {
    let mut finder = CutFinder::new(profile_of(profile)?);
    let mut cuts = 0;
    bytes::for_each_slice(data, |mut slice| {
        while finder.next_cut(&mut slice).is_some() {
            cuts += 1;
        }
    });
    Ok(cuts + usize::from(finder.finish().is_some()))
}
