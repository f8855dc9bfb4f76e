//! Profiles and their fields from terms; `nil` stands for the core's default.

use crate::failure::Failure;
use chunker::hashing::{HashAlgorithm, UnknownHashAlgorithm};
use chunker::{ChunkingOptions, Profile};
use rustler::{Atom, Decoder, NifResult, Term};

mod atoms {
    rustler::atoms! { nil, sha256, blake3 }
}

/// The size of a chunk, for the core to check.
#[derive(Clone, Copy)]
struct Size(Option<usize>);

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
pub(crate) fn hash_atom(hash: HashAlgorithm) -> Atom {
    match hash {
        HashAlgorithm::Sha256 => atoms::sha256(),
        HashAlgorithm::Blake3 => atoms::blake3(),
    }
}

pub(crate) fn is_nil(term: Term<'_>) -> bool {
    Atom::from_term(term).is_ok_and(|atom| atom == atoms::nil())
}

/// Returns the value of an option, or the core's default for `nil`.
pub(crate) fn or_default<'a, T: Decoder<'a>>(term: Term<'a>, default: T) -> Result<T, Failure> {
    if is_nil(term) { Ok(default) } else { term.decode().map_err(|_| Failure::ARGUMENT) }
}

/// What decides the chunks: an id, `{min_size, avg_size, max_size, hash}`, or `nil` for the core's default,
/// as does each of the four.
pub(crate) struct Cutting(Result<Profile, Failure>);

impl<'a> Decoder<'a> for Cutting {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        if is_nil(term) {
            return Ok(Self(Ok(Profile::default())));
        }
        if let Ok((min, avg, max, hash)) = term.decode::<(Size, Size, Size, Hash)>() {
            return Ok(Self(profile_of(min, avg, max, &hash)));
        }
        let id = term.decode::<&str>().unwrap_or_default();
        Ok(Self(id.parse().map_err(Failure::from)))
    }
}

fn profile_of(min: Size, avg: Size, max: Size, hash: &Hash) -> Result<Profile, Failure> {
    Ok(Profile { options: ChunkingOptions::resolve(min.0, avg.0, max.0)?, hash: hash.algorithm()? })
}

impl Cutting {
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        self.0
    }
}

/// Returns the id of a profile.
#[rustler::nif]
fn profile_id(profile: Cutting) -> Result<String, Failure> {
    Ok(profile.profile()?.to_string())
}
