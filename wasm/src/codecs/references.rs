//! References of Nix, taken out of streams and put back.

use super::option;
use crate::bytes;
use crate::failure::Failure;
use chunker::nix::references::{ReferenceNormalizer, ReferencePatches, StoreHash};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

/// Replaces the hashes of store paths in a stream.
#[wasm_bindgen(js_name = ReferenceNormalizer)]
pub struct JsReferenceNormalizer {
    /// `None` once finished.
    normalizer: Option<ReferenceNormalizer>,
    /// What finishing returned.
    patches: Option<ReferencePatches>,
}

#[wasm_bindgen(js_class = ReferenceNormalizer)]
impl JsReferenceNormalizer {
    /// Returns a normalizer that looks for the hashes of these store paths.
    #[wasm_bindgen(constructor)]
    pub fn new(paths: Vec<String>) -> Result<Self, Failure> {
        let hashes =
            paths.iter().map(|path| StoreHash::of_path_or_hash(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { normalizer: Some(ReferenceNormalizer::new(hashes)?), patches: None })
    }

    /// Takes the next piece and returns what is settled.
    pub fn push(&mut self, piece: &Uint8Array) -> Result<Uint8Array, Failure> {
        let normalizer = self.normalizer.as_mut().ok_or(Failure::CLOSED)?;
        let mut output = Vec::new();
        let mut result = Ok(());
        bytes::for_each_slice(piece, |slice| {
            if result.is_ok() {
                result = normalizer.push(slice, &mut output);
            }
        });
        result?;
        Ok(Uint8Array::from(output.as_slice()))
    }

    /// Ends the stream and returns the rest of it.
    pub fn finish(&mut self) -> Result<Uint8Array, Failure> {
        let mut output = Vec::new();
        let normalizer = self.normalizer.take().ok_or(Failure::CLOSED)?;
        self.patches = Some(normalizer.finish(&mut output)?);
        Ok(Uint8Array::from(output.as_slice()))
    }

    /// Returns what was replaced, once.
    pub fn patches(&mut self) -> Result<JsReferencePatches, Failure> {
        self.patches.take().map(JsReferencePatches).ok_or(Failure::CLOSED)
    }
}

/// What was replaced in a stream.
#[wasm_bindgen(js_name = ReferencePatches)]
pub struct JsReferencePatches(ReferencePatches);

#[wasm_bindgen(js_class = ReferencePatches)]
impl JsReferencePatches {
    /// Returns the patches of their canonical bytes.
    pub fn parse(bytes: &Uint8Array) -> Result<Self, Failure> {
        Ok(Self(ReferencePatches::from_bytes(&bytes::copied(bytes)?)?))
    }

    /// Returns the canonical bytes.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Uint8Array {
        Uint8Array::from(self.0.to_bytes().as_slice())
    }

    /// Returns the length of the stream in bytes.
    #[wasm_bindgen(js_name = streamLength)]
    #[must_use]
    pub fn stream_length(&self) -> u64 {
        self.0.stream_length()
    }

    /// Returns the number of hashes that were replaced.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the hashes, ascending.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        self.0.references().iter().map(ToString::to_string).collect()
    }

    /// Returns bytes of the stream that begin at `offset` with their hashes put back.
    pub fn restore(&self, data: &Uint8Array, offset: &JsValue) -> Result<Uint8Array, Failure> {
        let offset = option(offset, "offset is not an integer from 0 to 2^53-1")?.unwrap_or(0);
        let mut restored = bytes::copied(data)?;
        self.0.restore(offset, &mut restored)?;
        Ok(Uint8Array::from(restored.as_slice()))
    }
}
