//! Chunks, digests and manifests.

pub mod profile;
pub(crate) mod record;

use crate::bytes;
use crate::failure::Failure;
use crate::number::{self, Number};
use crate::runtime::settle;
use chunker::chunking::{ChunkDescriptor, PushChunker};
use chunker::hashing::{HashAlgorithm, Hasher};
use chunker::manifest::Manifest;
use chunker::{CutFinder, Profile};
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, Uint8ArraySlice, Unknown, spawn_blocking};
use napi_derive::napi;
use profile::{Input, profile_of};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A push chunker: bytes in, records of chunks out (see [`record`]).
#[napi(js_name = "PushChunker")]
pub struct JsPushChunker {
    /// `None` once finished.
    chunker: Option<Chunker>,
    /// Where the next piece begins in the input, in bytes.
    position: u64,
}

#[napi]
impl JsPushChunker {
    /// Returns a chunker for the input from `offset` on. With `cuts_only` the digests are zeros in the
    /// records.
    #[napi(constructor, catch_unwind)]
    pub fn new(profile: Input<'_>, offset: Number<'_>, cuts_only: bool) -> Result<Self, Failure> {
        let profile = profile_of(profile)?;
        let position = offset_of(offset)?;
        let chunker = match cuts_only {
            true => Chunker::Cutting(CutFinder::resume_at(profile, position)),
            false => Chunker::Hashing(Box::new(PushChunker::resume_at(profile, position))),
        };
        Ok(Self { chunker: Some(chunker), position })
    }

    /// Reads all of `piece` and returns the records of the chunks that end in it.
    #[napi(catch_unwind)]
    pub fn feed<'env>(&mut self, env: &'env Env, piece: &[u8]) -> Result<Uint8ArraySlice<'env>, Failure> {
        let chunker = self.chunker.as_mut().ok_or(Failure::CLOSED)?;
        let end = self.position + piece.len() as u64;
        if end > number::MAX_SAFE_INTEGER {
            return Err(Failure::argument("the input is longer than 2^53-1 bytes"));
        }
        let chunks = chunker.feed(piece);
        self.position = end;
        record::pack(env, &chunks)
    }

    /// Ends the input and returns the record of its last chunk, if there is one.
    #[napi(catch_unwind)]
    pub fn finish<'env>(&mut self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        let chunker = self.chunker.take().ok_or(Failure::CLOSED)?;
        record::pack(env, chunker.finish().as_slice())
    }

    /// Frees the chunker.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.chunker = None;
    }
}

enum Chunker {
    Hashing(Box<PushChunker>),
    Cutting(CutFinder),
}

impl Chunker {
    fn feed(&mut self, mut piece: &[u8]) -> Vec<ChunkDescriptor> {
        match self {
            Self::Hashing(chunker) => chunker.feed(piece),
            Self::Cutting(finder) => {
                let mut chunks = Vec::new();
                loop {
                    let offset = finder.last_cut();
                    let Some(cut) = finder.next_cut(&mut piece) else { return chunks };
                    chunks.push(without_digest(offset, cut));
                }
            }
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
    ChunkDescriptor { hash: [0; 32], offset, length }
}

/// A digest in the making.
#[napi(js_name = "Hasher")]
pub struct JsHasher(Option<Hasher>);

#[napi]
impl JsHasher {
    /// Returns a hasher that has seen no data.
    #[napi(constructor, catch_unwind)]
    pub fn new(hash: Either<String, Unknown<'_>>) -> Result<Self, Failure> {
        Ok(Self(Some(Hasher::new(hash_algorithm(hash)?))))
    }

    /// Appends `data`.
    #[napi(catch_unwind)]
    pub fn update(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.0.as_mut().ok_or(Failure::CLOSED)?.update(data);
        Ok(())
    }

    /// Ends the data and returns its digest.
    #[napi(catch_unwind)]
    pub fn finalize<'env>(&mut self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        let hasher = self.0.take().ok_or(Failure::CLOSED)?;
        bytes::copied(env, &hasher.finalize())
    }

    /// Frees the hasher.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.0 = None;
    }
}

/// Resolves with the number of chunks before the first one that does not match its digest.
///
/// `parts` holds the chunks one after another; `lengths` has the length of each in bytes, and `digests` its
/// 32 bytes.
#[napi(catch_unwind)]
pub fn count_intact<'env>(
    env: &'env Env,
    hash: Either<String, Unknown<'_>>,
    parts: Vec<&[u8]>,
    lengths: &[u32],
    digests: &[u8],
) -> Result<PromiseRaw<'env, u32>, Failure> {
    let algorithm = hash_algorithm(hash)?;
    let length: u64 = lengths.iter().copied().map(u64::from).sum();
    let held: usize = parts.iter().map(|part| part.len()).sum();
    let (rows, rest) = digests.as_chunks::<32>();
    if length != held as u64 || rows.len() != lengths.len() || !rest.is_empty() {
        return Err(Failure::argument("the lengths do not match the bytes and digests"));
    }
    let mut copy = spares().pop().unwrap_or_default();
    copy.clear();
    copy.try_reserve_exact(held).map_err(|_| Failure::memory(held))?;
    for part in parts {
        copy.extend_from_slice(part);
    }
    let chunks: Vec<_> = lengths.iter().copied().zip(rows.iter().copied()).collect();
    let work = spawn_blocking(move || {
        let count = intact(algorithm, &copy, &chunks);
        let mut spares = spares();
        if spares.len() < MOST_SPARES && copy.capacity() <= LONGEST_SPARE {
            spares.push(copy);
        }
        Ok(count)
    });
    settle(env, work, |_, count| Ok(count))
}

/// Buffers kept for later copies, up to 16 MiB in all: filling a new one costs more than copying the bytes.
static SPARES: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
const MOST_SPARES: usize = 4;
const LONGEST_SPARE: usize = 4 << 20;

fn spares() -> MutexGuard<'static, Vec<Vec<u8>>> {
    SPARES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn intact(algorithm: HashAlgorithm, mut bytes: &[u8], chunks: &[(u32, [u8; 32])]) -> u32 {
    let mut count = 0;
    for (length, digest) in chunks {
        let Some((chunk, rest)) = bytes.split_at_checked(*length as usize) else { break };
        if algorithm.digest(chunk) != *digest {
            break;
        }
        bytes = rest;
        count += 1;
    }
    count
}

/// A manifest.
#[napi(js_name = "Manifest")]
pub struct JsManifest(Option<Manifest>);

#[napi]
impl JsManifest {
    /// Returns the manifest with a profile id and the records of its chunks.
    #[napi(constructor, catch_unwind)]
    pub fn new(profile: String, records: &[u8]) -> Result<Self, Failure> {
        let profile: Profile = profile.parse()?;
        Ok(Self(Some(Manifest::new(profile, record::unpack(records)?)?)))
    }

    /// Returns the manifest with these canonical bytes, at most `max_bytes`; `undefined` stands for the
    /// core's default.
    #[napi(factory, catch_unwind)]
    pub fn parse(canonical: &[u8], max_bytes: Number<'_>) -> Result<Self, Failure> {
        let limit = number::option(max_bytes, "maxBytes is not an integer from 0 to 2^53-1")?;
        let limit =
            limit.map_or(Manifest::DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let manifest = Manifest::parse(canonical, limit)?;
        if manifest.total_length() > number::MAX_SAFE_INTEGER {
            return Err(Failure::argument("the manifest's input is longer than 2^53-1 bytes"));
        }
        Ok(Self(Some(manifest)))
    }

    /// Returns the canonical bytes.
    #[napi(catch_unwind)]
    pub fn to_bytes<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        bytes::copied(env, &self.get()?.to_bytes())
    }

    /// Returns the digest of the canonical bytes.
    #[napi(catch_unwind)]
    pub fn root_digest<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        bytes::copied(env, &self.get()?.root_digest())
    }

    /// Returns the profile id.
    #[napi(catch_unwind)]
    pub fn profile(&self) -> Result<String, Failure> {
        Ok(self.get()?.profile().to_string())
    }

    /// Returns the name of the hash algorithm.
    #[napi(catch_unwind)]
    pub fn hash(&self) -> Result<String, Failure> {
        Ok(self.get()?.hash_algorithm().name().into())
    }

    /// Returns the length of the input in bytes.
    #[napi(catch_unwind)]
    pub fn total_length(&self) -> Result<f64, Failure> {
        Ok(number::exact(self.get()?.total_length()))
    }

    /// Returns the records of the chunks.
    #[napi(catch_unwind)]
    pub fn chunks<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        record::pack(env, self.get()?.chunks())
    }

    /// Frees the manifest.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.0 = None;
    }

    fn get(&self) -> Result<&Manifest, Failure> {
        self.0.as_ref().ok_or(Failure::CLOSED)
    }
}

fn hash_algorithm(name: Either<String, Unknown<'_>>) -> Result<HashAlgorithm, Failure> {
    match name {
        Either::A(name) => Ok(name.parse()?),
        Either::B(_) => Err(Failure::argument("hash is not a string")),
    }
}

/// Returns where the input begins in a larger one, in bytes.
pub(crate) fn offset_of(offset: Number<'_>) -> Result<u64, Failure> {
    Ok(number::option(offset, "offset is not an integer from 0 to 2^53-1")?.unwrap_or(0))
}
