//! Chunking options from terms; `nil` stands for the core's default.

use crate::failure::Failure;
use chunker::Profile;
use chunker::chunking::ChunkingOptions;
use chunker::hashing::{HashAlgorithm, UnknownHashAlgorithm};
use rustler::{Atom, Decoder, Env, NifResult, Term};

mod atoms {
    rustler::atoms! { nil, sha256, blake3 }
}

/// The size of a chunk, for the core to check.
#[derive(Clone, Copy)]
pub(crate) struct Size(Option<usize>);

impl<'a> Decoder<'a> for Size {
    /// What is no integer of 64 bits becomes a size that the core refuses.
    fn decode(term: Term<'a>) -> NifResult<Self> {
        if is_nil(term) {
            return Ok(Self(None));
        }
        let size = term.decode::<u64>().ok().and_then(|size| usize::try_from(size).ok());
        Ok(Self(Some(size.unwrap_or(usize::MAX))))
    }
}

/// The name of a hash algorithm.
pub(crate) struct Hash(Result<HashAlgorithm, UnknownHashAlgorithm>);

impl<'a> Decoder<'a> for Hash {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let Ok(name) = Atom::from_term(term) else {
            return Ok(Self(Err(UnknownHashAlgorithm)));
        };
        Ok(Self(if name == atoms::nil() {
            Ok(HashAlgorithm::default())
        } else if name == atoms::sha256() {
            Ok(HashAlgorithm::Sha256)
        } else if name == atoms::blake3() {
            Ok(HashAlgorithm::Blake3)
        } else {
            Err(UnknownHashAlgorithm)
        }))
    }
}

impl Hash {
    pub(crate) fn algorithm(&self) -> Result<HashAlgorithm, Failure> {
        Ok(self.0?)
    }
}

/// Returns the atom of a hash algorithm.
pub(crate) fn hash_atom(env: Env<'_>, hash: HashAlgorithm) -> NifResult<Atom> {
    Atom::from_str(env, hash.name())
}

pub(crate) fn is_nil(term: Term<'_>) -> bool {
    Atom::from_term(term).is_ok_and(|atom| atom == atoms::nil())
}

/// Returns sizes and hash algorithm.
pub(crate) fn profile_of(min: Size, avg: Size, max: Size, hash: &Hash) -> Result<Profile, Failure> {
    Ok(Profile::from(ChunkingOptions::resolve(min.0, avg.0, max.0)?).hash(hash.algorithm()?))
}

/// Returns the profile id of options.
#[rustler::nif]
fn profile(min: Size, avg: Size, max: Size, hash: Hash) -> Result<String, Failure> {
    Ok(profile_of(min, avg, max, &hash)?.to_string())
}
