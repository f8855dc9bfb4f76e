//! Profiles and their fields from terms; `nil` stands for the core's default.

use crate::failure::{Failure, StoreFailure};
use chunker::chunking::ChunkingOptions;
use chunker::hashing::{HashAlgorithm, UnknownHashAlgorithm};
use chunker::{Profile, ProfileError};
use rustler::{Atom, Decoder, Env, NifResult, Term};

mod atoms {
    rustler::atoms! { nil, sha256, blake3 }
}

/// What determines the chunks: an id, the name of a profile, `{min_size, avg_size, max_size, level, seed,
/// hash}`, or `nil` for the core's default, as does each of the six.
pub(crate) struct ProfileTerm(Result<Profile, Failure>);

impl<'a> Decoder<'a> for ProfileTerm {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        Ok(Self(if is_nil(term) { Ok(Profile::default()) } else { profile_of(term) }))
    }
}

impl ProfileTerm {
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        self.0
    }
}

fn profile_of(term: Term<'_>) -> Result<Profile, Failure> {
    type Fields<'a> = (Size, Size, Size, Term<'a>, Term<'a>, Hash);

    if let Ok((min, avg, max, level, seed, hash)) = term.decode::<Fields<'_>>() {
        let mut profile = Profile::from(ChunkingOptions::resolve(min.0, avg.0, max.0)?);
        if !is_nil(level) {
            // Anything but an 8-bit integer becomes a level that the core refuses. (As `u8`, rustler decodes
            // 256 as 0.)
            let level = level.decode::<u64>().ok().and_then(|level| u8::try_from(level).ok());
            profile = profile.level(level.unwrap_or(u8::MAX))?;
        }
        if !is_nil(seed) {
            profile = profile.seed(seed.decode().map_err(|_| Failure::SEED)?);
        }
        return Ok(profile.hash(hash.algorithm()?));
    }
    if let Ok(id) = term.decode::<&str>() {
        return Ok(id.parse::<Profile>()?);
    }
    let name = term.atom_to_string().map_err(|_| ProfileError::Unknown)?;
    Ok(Profile::named(&name).ok_or(ProfileError::Unknown)?)
}

/// The size of a chunk, for the core to check.
struct Size(Option<usize>);

impl<'a> Decoder<'a> for Size {
    /// Anything but a 64-bit integer becomes a size that the core refuses.
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
    pub(crate) fn algorithm(&self) -> Result<HashAlgorithm, UnknownHashAlgorithm> {
        self.0
    }
}

/// Returns the atom of a hash algorithm.
pub(crate) fn hash_atom(env: Env<'_>, hash: HashAlgorithm) -> NifResult<Atom> {
    Atom::from_str(env, hash.name())
}

pub(crate) fn is_nil(term: Term<'_>) -> bool {
    atoms::nil() == term
}

/// Returns the value of an option, or the core's default for `nil`.
pub(crate) fn or_default<'a, T: Decoder<'a>>(term: Term<'a>, default: T) -> Result<T, Failure> {
    if is_nil(term) { Ok(default) } else { term.decode().map_err(|_| Failure::ARGUMENT) }
}

/// What the messages of invalid options expect.
pub(crate) const BOOLEAN: &str = "a boolean";
pub(crate) const INTEGER: &str = "an integer from 0 to 2^64-1";

/// Returns the value of an option of a store or an engine, or `None` for `nil`.
pub(crate) fn given<'a, T: Decoder<'a>>(
    name: &str,
    term: Term<'a>,
    expected: &str,
) -> Result<Option<T>, StoreFailure> {
    if is_nil(term) { Ok(None) } else { value(name, term, expected).map(Some) }
}

/// Returns the value of an option that has no default.
pub(crate) fn value<'a, T: Decoder<'a>>(
    name: &str,
    term: Term<'a>,
    expected: &str,
) -> Result<T, StoreFailure> {
    let refuse = |_| StoreFailure::argument(format!("{name} is {term:?} (expected {expected})"));
    term.decode().map_err(refuse)
}

/// Returns the id of the Remote Execution API's profile for an average size.
#[rustler::nif]
fn remote_execution_profile(avg_size: Size) -> Result<String, Failure> {
    Ok(Profile::remote_execution(avg_size.0.unwrap_or(usize::MAX))?.to_string())
}

/// Returns the id of a profile.
#[rustler::nif]
fn profile_id(profile: ProfileTerm) -> Result<String, Failure> {
    Ok(profile.profile()?.to_string())
}
