//! Chunks of whole binaries.

use crate::failure::Failure;
use crate::options::{Hash, Size, profile_of};
use crate::pool;
use crate::terms::{Bytes, Items, account};
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, ChunkSlice, chunk_descriptors, chunk_slices};
use rustler::{Binary, Encoder, Env, Error, NifResult, Term};

/// Bytes cut and hashed in 1 % of a timeslice, 10 µs, with the slower of the hash algorithms.
pub(crate) const BYTES_PER_PERCENT: usize = 8 * 1024;

type Chunks<'a> = Result<Vec<Term<'a>>, Failure>;

#[rustler::nif]
fn chunk_data_normal<'a>(
    env: Env<'a>,
    data: Binary<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
) -> Chunks<'a> {
    let chunks = chunk_data(env, data, profile_of(min, avg, max, &hash)?);
    account(env, data.len(), BYTES_PER_PERCENT);
    Ok(chunks)
}

#[rustler::nif(schedule = "DirtyCpu")]
fn chunk_data_dirty<'a>(
    env: Env<'a>,
    data: Binary<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
) -> Chunks<'a> {
    Ok(chunk_data(env, data, profile_of(min, avg, max, &hash)?))
}

fn chunk_data<'a>(env: Env<'a>, data: Binary<'a>, profile: Profile) -> Vec<Term<'a>> {
    let chunks = chunk_slices(data.as_slice(), profile);
    chunks.map(|chunk| without_payload(env, &chunk.descriptor())).collect()
}

/// Returns `{hash, offset, length}`.
pub(crate) fn without_payload<'a>(env: Env<'a>, chunk: &ChunkDescriptor) -> Term<'a> {
    (Bytes(chunk.hash), chunk.offset, chunk.length).encode(env)
}

#[rustler::nif]
fn chunk_data_with_payloads_normal<'a>(
    env: Env<'a>,
    data: Binary<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
) -> NifResult<Chunks<'a>> {
    let chunks = chunk_data_with_payloads(env, data, min, avg, max, &hash);
    account(env, data.len(), BYTES_PER_PERCENT);
    chunks
}

#[rustler::nif(schedule = "DirtyCpu")]
fn chunk_data_with_payloads_dirty<'a>(
    env: Env<'a>,
    data: Binary<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
) -> NifResult<Chunks<'a>> {
    chunk_data_with_payloads(env, data, min, avg, max, &hash)
}

fn chunk_data_with_payloads<'a>(
    env: Env<'a>,
    data: Binary<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: &Hash,
) -> NifResult<Chunks<'a>> {
    let profile = match profile_of(min, avg, max, hash) {
        Ok(profile) => profile,
        Err(failure) => return Ok(Err(failure)),
    };
    let chunk = |chunk: ChunkSlice<'_>| {
        let offset = usize::try_from(chunk.offset).map_err(|_| Error::BadArg)?;
        let payload = data.make_subbinary(offset, chunk.payload.len())?;
        Ok((Bytes(chunk.hash), chunk.offset, chunk.payload.len(), payload).encode(env))
    };
    Ok(Ok(chunk_slices(data.as_slice(), profile).map(chunk).collect::<NifResult<_>>()?))
}

/// Returns for every item its chunks, or why it has none; one that fails does not stop the others.
#[rustler::nif]
fn chunk_data_batch_normal<'a>(
    env: Env<'a>,
    items: Items<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
) -> Result<Vec<Chunks<'a>>, Failure> {
    let items = items.binaries();
    let bytes = items.iter().flatten().map(|data| data.len()).sum();
    let results = chunk_data_batch(env, &items, profile_of(min, avg, max, &hash)?, 1);
    account(env, bytes, BYTES_PER_PERCENT);
    Ok(results)
}

#[rustler::nif(schedule = "DirtyCpu")]
fn chunk_data_batch_dirty<'a>(
    env: Env<'a>,
    items: Items<'a>,
    min: Size,
    avg: Size,
    max: Size,
    hash: Hash,
    threads: usize,
) -> Result<Vec<Chunks<'a>>, Failure> {
    Ok(chunk_data_batch(env, &items.binaries(), profile_of(min, avg, max, &hash)?, threads))
}

fn chunk_data_batch<'a>(
    env: Env<'a>,
    items: &[Option<&[u8]>],
    profile: Profile,
    threads: usize,
) -> Vec<Chunks<'a>> {
    let chunk =
        |data: &Option<&[u8]>| data.map(|data| chunk_descriptors(data, profile)).ok_or(Failure::ARGUMENT);
    let encode =
        |chunks: Vec<ChunkDescriptor>| chunks.iter().map(|chunk| without_payload(env, chunk)).collect();
    pool::map(items, threads, chunk).into_iter().map(|result| result.map(encode)).collect()
}
