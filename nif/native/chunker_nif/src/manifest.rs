//! Manifests: their canonical bytes and their fields.

use crate::chunks::without_payload;
use crate::failure::Failure;
use crate::options::{ProfileTerm, hash_atom};
use crate::terms::{Bytes, Items};
use chunker::chunking::ChunkDescriptor;
use chunker::manifest::Manifest;
use rustler::{Atom, Binary, Env, NifResult, Term};

/// Canonical bytes, profile id, hash algorithm, length of the input, chunks, root digest.
type Parts<'a> = (Bytes<Vec<u8>>, String, Atom, u64, Vec<Term<'a>>, Bytes<[u8; 32]>);

fn parts<'a>(env: Env<'a>, manifest: Result<Manifest, Failure>) -> NifResult<Result<Parts<'a>, Failure>> {
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(failure) => return Ok(Err(failure)),
    };
    let bytes = manifest.to_bytes();
    let root = manifest.hash_algorithm().digest(&bytes);
    let chunks = manifest.chunks().iter().map(|chunk| without_payload(env, chunk)).collect();
    let hash = hash_atom(env, manifest.hash_algorithm())?;
    let profile = manifest.profile().to_string();
    Ok(Ok((Bytes(bytes), profile, hash, manifest.total_length(), chunks, Bytes(root))))
}

/// Returns the manifest of an input with the given chunks, `{hash, offset, length}` each.
#[rustler::nif(schedule = "DirtyCpu")]
fn manifest_new_dirty<'a>(
    env: Env<'a>,
    chunks: Items<'a>,
    profile: ProfileTerm,
) -> NifResult<Result<Parts<'a>, Failure>> {
    let chunks = chunks.0.into_iter().map(chunk_of).collect::<NifResult<Vec<_>>>()?;
    let manifest = profile.profile().and_then(|profile| Ok(Manifest::new(profile, chunks)?));
    parts(env, manifest)
}

fn chunk_of(term: Term<'_>) -> NifResult<ChunkDescriptor> {
    let (hash, offset, length): (Binary<'_>, u64, usize) = term.decode()?;
    let hash = hash.as_slice().try_into().map_err(|_| rustler::Error::BadArg)?;
    Ok(ChunkDescriptor { hash, offset, length })
}

/// Returns the manifest with these canonical bytes, at most `limit`; `nil` stands for the core's
/// default.
#[rustler::nif(schedule = "DirtyCpu")]
fn manifest_parse_dirty<'a>(
    env: Env<'a>,
    canonical: Binary<'a>,
    limit: Option<usize>,
) -> NifResult<Result<Parts<'a>, Failure>> {
    parts(env, parse(canonical, limit.unwrap_or(Manifest::DEFAULT_LIMIT)))
}

/// Returns the manifest with these canonical bytes.
pub(crate) fn parse(canonical: Binary<'_>, limit: usize) -> Result<Manifest, Failure> {
    Ok(Manifest::parse(canonical.as_slice(), limit)?)
}
