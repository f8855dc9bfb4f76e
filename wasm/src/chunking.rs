//! The default module: chunks, digests and manifests.

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "debug")]
pub mod debug;
#[cfg(feature = "threads")]
pub mod parallel;
pub mod profile;
mod record;
#[cfg_attr(feature = "debug", path = "chunking/spans/on.rs")]
#[cfg_attr(not(feature = "debug"), path = "chunking/spans/off.rs")]
mod spans;

use crate::failure::Failure;
use crate::{bytes, number};
use chunker::chunking::{ChunkDescriptor, PushChunker};
use chunker::hashing::{HashAlgorithm, Hasher};
use chunker::manifest::{Manifest, ManifestError};
use chunker::{CutFinder, Profile};
use js_sys::Uint8Array;
use profile::profile_of;
use wasm_bindgen::prelude::*;

/// A push chunker: bytes in, records of chunks out (see [`record`]).
#[wasm_bindgen(js_name = PushChunker)]
pub struct JsPushChunker {
    /// `None` once finished.
    chunker: Option<Chunker>,
    /// Where the next piece begins in the input, in bytes.
    position: u64,
}

#[wasm_bindgen(js_class = PushChunker)]
impl JsPushChunker {
    /// Returns a chunker for the input from `offset` on. With `cuts_only` the digests are zeros in the
    /// records: the caller has a faster way to them.
    #[wasm_bindgen(constructor)]
    pub fn new(profile: &JsValue, offset: &JsValue, cuts_only: bool) -> Result<Self, Failure> {
        let profile = profile_of(profile)?;
        let position = offset_of(offset)?;
        let chunker = match cuts_only {
            true => Chunker::Cutting(CutFinder::resume_at(profile, position)),
            false => Chunker::Hashing(Box::new(PushChunker::resume_at(profile, position))),
        };
        Ok(Self { chunker: Some(chunker), position })
    }

    /// Reads all of `piece` and returns the records of the chunks that end in it.
    pub fn feed(&mut self, piece: &Uint8Array) -> Result<Uint8Array, Failure> {
        let chunker = self.chunker.as_mut().ok_or(Failure::CLOSED)?;
        let end = self.position + u64::from(piece.length());
        if end > number::MAX_SAFE_INTEGER {
            return Err(Failure::argument("the input is longer than 2^53-1 bytes"));
        }
        let mut chunks = Vec::new();
        bytes::for_each_slice(piece, |slice| chunker.feed(slice, &mut chunks));
        self.position = end;
        Ok(record::pack(&chunks))
    }

    /// Ends the input and returns the record of its last chunk, if there is one.
    pub fn finish(&mut self) -> Result<Uint8Array, Failure> {
        let chunker = self.chunker.take().ok_or(Failure::CLOSED)?;
        Ok(record::pack(chunker.finish().as_slice()))
    }
}

enum Chunker {
    Hashing(Box<PushChunker>),
    Cutting(CutFinder),
}

impl Chunker {
    fn feed(&mut self, mut piece: &[u8], chunks: &mut Vec<ChunkDescriptor>) {
        match self {
            Self::Hashing(chunker) => chunks.extend(chunker.feed(piece)),
            Self::Cutting(finder) => loop {
                let offset = finder.last_cut();
                let Some(cut) = spans::cutting(|| finder.next_cut(&mut piece)) else { return };
                chunks.push(without_digest(offset, cut));
            },
        }
    }

    fn finish(self) -> Option<ChunkDescriptor> {
        match self {
            Self::Hashing(chunker) => chunker.finish(),
            Self::Cutting(finder) => {
                let offset = finder.last_cut();
                finder.finish().map(|cut| without_digest(offset, cut))
            }
        }
    }
}

fn without_digest(offset: u64, end: u64) -> ChunkDescriptor {
    #[expect(clippy::cast_possible_truncation, reason = "a chunk has at most 1 GiB")]
    let length = (end - offset) as usize;
    spans::emitted(offset, length);
    ChunkDescriptor { hash: [0; 32], offset, length }
}

/// A digest in the making.
#[wasm_bindgen(js_name = Hasher)]
pub struct JsHasher(Option<Hasher>);

#[wasm_bindgen(js_class = Hasher)]
impl JsHasher {
    /// Returns a hasher that has seen no data.
    #[wasm_bindgen(constructor)]
    pub fn new(hash: &JsValue) -> Result<Self, Failure> {
        Ok(Self(Some(Hasher::new(hash_algorithm(hash)?))))
    }

    /// Appends `data`.
    pub fn update(&mut self, data: &Uint8Array) -> Result<(), Failure> {
        let hasher = self.0.as_mut().ok_or(Failure::CLOSED)?;
        bytes::for_each_slice(data, |slice| hasher.update(slice));
        Ok(())
    }

    /// Ends the data and returns its digest.
    pub fn finalize(&mut self) -> Result<Uint8Array, Failure> {
        let hasher = self.0.take().ok_or(Failure::CLOSED)?;
        Ok(Uint8Array::from(hasher.finalize().as_slice()))
    }
}

/// A manifest.
#[wasm_bindgen(js_name = Manifest)]
pub struct JsManifest(Manifest);

#[wasm_bindgen(js_class = Manifest)]
impl JsManifest {
    /// Returns the manifest with a profile id and the records of its chunks.
    #[wasm_bindgen(constructor)]
    pub fn new(profile: &str, records: &Uint8Array) -> Result<Self, Failure> {
        let profile: Profile = profile.parse()?;
        Ok(Self(Manifest::new(profile, record::unpack(records)?)?))
    }

    /// Returns the manifest with these canonical bytes, at most `max_bytes`; `undefined` stands
    /// for the core's default.
    pub fn parse(canonical: &Uint8Array, max_bytes: &JsValue) -> Result<Self, Failure> {
        let length = bytes::length(canonical);
        let limit = match max_bytes.is_undefined() {
            true => Manifest::DEFAULT_LIMIT,
            false => number::integer(max_bytes)
                .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
                .ok_or(Failure::argument("maxBytes is not an integer from 0 to 2^53-1"))?,
        };
        if length > limit {
            return Err(ManifestError::TooLarge { length, limit }.into());
        }
        let manifest = Manifest::parse(&bytes::copied(canonical)?, limit)?;
        if manifest.total_length() > number::MAX_SAFE_INTEGER {
            return Err(Failure::argument("the manifest's input is longer than 2^53-1 bytes"));
        }
        Ok(Self(manifest))
    }

    /// Returns the canonical bytes.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Uint8Array {
        Uint8Array::from(self.0.to_bytes().as_slice())
    }

    /// Returns the digest of the canonical bytes.
    #[wasm_bindgen(js_name = rootDigest)]
    #[must_use]
    pub fn root_digest(&self) -> Uint8Array {
        Uint8Array::from(self.0.root_digest().as_slice())
    }

    /// Returns the profile id.
    #[must_use]
    pub fn profile(&self) -> String {
        self.0.profile().to_string()
    }

    /// Returns the name of the hash algorithm.
    #[must_use]
    pub fn hash(&self) -> String {
        self.0.hash_algorithm().name().into()
    }

    /// Returns the length of the input in bytes.
    #[wasm_bindgen(js_name = totalLength)]
    #[must_use]
    pub fn total_length(&self) -> f64 {
        number::exact(self.0.total_length())
    }

    /// Returns the records of the chunks.
    #[must_use]
    pub fn chunks(&self) -> Uint8Array {
        record::pack(self.0.chunks())
    }
}

fn hash_algorithm(name: &JsValue) -> Result<HashAlgorithm, Failure> {
    let name = name.as_string().ok_or(Failure::argument("hash is not a string"))?;
    Ok(name.parse()?)
}

/// Returns where the input begins in a larger one, in bytes.
fn offset_of(offset: &JsValue) -> Result<u64, Failure> {
    if offset.is_undefined() {
        return Ok(0);
    }
    number::integer(offset).ok_or(Failure::argument("offset is not an integer from 0 to 2^53-1"))
}
