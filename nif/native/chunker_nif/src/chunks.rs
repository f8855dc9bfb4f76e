//! Chunks of whole binaries.

use crate::failure::Failure;
use crate::options::ProfileTerm;
use crate::pool;
use crate::terms::{Bytes, Items, account, twins};
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, ChunkSlice, chunk_descriptors, chunk_slices};
use rustler::{Binary, Encoder, Env, Term};

/// Bytes cut and hashed in 1 % of a timeslice, 10 µs, with the slower of the hash algorithms.
pub(crate) const BYTES_PER_PERCENT: usize = 8 * 1024;

type Chunks<'a> = Result<Vec<Term<'a>>, Failure>;

twins! {
    /// Returns the chunks of `data`, with their payloads or without.
    chunk_data_normal, chunk_data_dirty(
        env,
        data: Binary<'a>,
        profile: ProfileTerm,
        payloads: bool
    ) -> Chunks<'a> {
        account(env, data.len(), BYTES_PER_PERCENT);
        chunk_data(env, data, profile.profile()?, payloads)
    }
}

fn chunk_data<'a>(env: Env<'a>, data: Binary<'a>, profile: Profile, payloads: bool) -> Chunks<'a> {
    // One iterator for both would be held in memory, and cost 20 ns a call.
    if payloads {
        return chunk_slices(data.as_slice(), profile).map(|chunk| with_payload(env, data, &chunk)).collect();
    }
    Ok(chunk_slices(data.as_slice(), profile)
        .map(|chunk| without_payload(env, &chunk.descriptor()))
        .collect())
}

/// Returns `{hash, offset, length}`.
pub(crate) fn without_payload<'a>(env: Env<'a>, chunk: &ChunkDescriptor) -> Term<'a> {
    (Bytes(chunk.hash), chunk.offset, chunk.length).encode(env)
}

/// Returns `{hash, offset, length, payload}`, in which the payload is a part of `data`.
fn with_payload<'a>(env: Env<'a>, data: Binary<'a>, chunk: &ChunkSlice<'_>) -> Result<Term<'a>, Failure> {
    let (offset, length) = (chunk.offset, chunk.payload.len());
    // A chunk is a part of the data, so this cannot fail.
    let part = usize::try_from(offset).ok().and_then(|start| data.make_subbinary(start, length).ok());
    Ok((Bytes(chunk.hash), offset, length, part.ok_or(Failure::ARGUMENT)?).encode(env))
}

twins! {
    /// Returns for every item its chunks, or why it has none; one that fails does not stop the others.
    chunk_data_batch_normal, chunk_data_batch_dirty(
        env,
        items: Items<'a>,
        profile: ProfileTerm,
        threads: usize
    ) -> Result<Vec<Chunks<'a>>, Failure> {
        account(env, items.bytes(), BYTES_PER_PERCENT);
        Ok(chunk_data_batch(env, &items.binaries(), profile.profile()?, threads))
    }
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
