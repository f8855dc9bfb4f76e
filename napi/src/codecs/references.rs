//! References of Nix, taken out of streams and put back.

use crate::bytes;
use crate::failure::Failure;
use crate::number::{Number, option};
use chunker::nix::references::{ReferenceNormalizer, ReferencePatches, StoreHash};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Uint8ArraySlice};
use napi_derive::napi;

/// Replaces the hashes of store paths in a stream.
#[napi(js_name = "ReferenceNormalizer")]
pub struct JsReferenceNormalizer {
    /// `None` once finished.
    normalizer: Option<ReferenceNormalizer>,
    /// What finishing returned.
    patches: Option<ReferencePatches>,
}

#[napi]
impl JsReferenceNormalizer {
    /// Returns a normalizer that looks for the hashes of these store paths.
    #[napi(constructor, catch_unwind)]
    pub fn new(paths: Vec<String>) -> Result<Self, Failure> {
        let hashes =
            paths.iter().map(|path| StoreHash::of_path_or_hash(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { normalizer: Some(ReferenceNormalizer::new(hashes)?), patches: None })
    }

    /// Takes the next piece and returns what is settled.
    #[napi(catch_unwind)]
    pub fn push<'env>(&mut self, env: &'env Env, piece: &[u8]) -> Result<Uint8ArraySlice<'env>, Failure> {
        let normalizer = self.normalizer.as_mut().ok_or(Failure::CLOSED)?;
        let mut output = Vec::new();
        normalizer.push(piece, &mut output)?;
        bytes::copied(env, &output)
    }

    /// Ends the stream and returns the rest of it.
    #[napi(catch_unwind)]
    pub fn finish<'env>(&mut self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        let mut output = Vec::new();
        let normalizer = self.normalizer.take().ok_or(Failure::CLOSED)?;
        self.patches = Some(normalizer.finish(&mut output)?);
        bytes::copied(env, &output)
    }

    /// Returns what was replaced, once.
    #[napi(catch_unwind)]
    pub fn patches(&mut self) -> Result<JsReferencePatches, Failure> {
        self.patches.take().map(|patches| JsReferencePatches(Some(patches))).ok_or(Failure::CLOSED)
    }

    /// Frees what it holds.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        (self.normalizer, self.patches) = (None, None);
    }
}

/// What was replaced in a stream.
#[napi(js_name = "ReferencePatches")]
pub struct JsReferencePatches(Option<ReferencePatches>);

#[napi]
impl JsReferencePatches {
    /// Returns the patches of their canonical bytes.
    #[napi(factory, catch_unwind)]
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self(Some(ReferencePatches::from_bytes(bytes)?)))
    }

    /// Returns the canonical bytes.
    #[napi(catch_unwind)]
    pub fn to_bytes<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        bytes::copied(env, &self.get()?.to_bytes())
    }

    /// Returns the length of the stream in bytes.
    #[napi(catch_unwind)]
    pub fn stream_length(&self) -> Result<BigInt, Failure> {
        Ok(self.get()?.stream_length().into())
    }

    /// Returns the number of hashes that were replaced.
    #[napi(catch_unwind)]
    pub fn count(&self) -> Result<u32, Failure> {
        Ok(u32::try_from(self.get()?.len()).unwrap_or(u32::MAX))
    }

    /// Returns the hashes, ascending.
    #[napi(catch_unwind)]
    pub fn references(&self) -> Result<Vec<String>, Failure> {
        Ok(self.get()?.references().iter().map(ToString::to_string).collect())
    }

    /// Returns bytes of the stream that begin at `offset` with their hashes put back.
    #[napi(catch_unwind)]
    pub fn restore<'env>(
        &self,
        env: &'env Env,
        data: &[u8],
        offset: Number<'_>,
    ) -> Result<Uint8ArraySlice<'env>, Failure> {
        let offset = option(offset, "offset is not an integer from 0 to 2^53-1")?.unwrap_or(0);
        let mut restored = data.to_vec();
        self.get()?.restore(offset, &mut restored)?;
        bytes::copied(env, &restored)
    }

    /// Frees what it holds.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.0 = None;
    }

    fn get(&self) -> Result<&ReferencePatches, Failure> {
        self.0.as_ref().ok_or(Failure::CLOSED)
    }
}
