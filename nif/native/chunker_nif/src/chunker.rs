//! Chunkers that are fed pieces.

use crate::chunks::{BYTES_PER_PERCENT, without_payload};
use crate::failure::Failure;
use crate::handle::Handle;
use crate::options::{ProfileTerm, or_default};
use crate::terms::{Bytes, account, twins};
use chunker::chunking::{ChunkMetadata, PayloadChunker, PushChunker};
use rustler::{Atom, Binary, Encoder, Env, LocalPid, Monitor, Resource, ResourceArc, Term};

struct ChunkerResource(Handle<AnyChunker>);

#[allow(clippy::large_enum_variant)] // one per resource, which holds buffers besides
enum AnyChunker {
    WithoutPayloads(PushChunker),
    WithPayloads(PayloadChunker),
}

#[rustler::resource_impl]
impl Resource for ChunkerResource {
    fn down<'a>(&'a self, _: Env<'a>, _: LocalPid, _: Monitor) {
        self.0.orphan();
    }
}

/// Returns a chunker, owned by the calling process, for an input that was cut at `offset`; `nil` stands for its
/// start.
#[rustler::nif]
fn chunker_open_with(
    env: Env<'_>,
    profile: ProfileTerm,
    payloads: bool,
    offset: Term<'_>,
) -> Result<ResourceArc<ChunkerResource>, Failure> {
    let profile = profile.profile()?;
    let offset = or_default(offset, 0)?;
    let chunker = if payloads {
        AnyChunker::WithPayloads(PayloadChunker::resume_at(profile, offset))
    } else {
        AnyChunker::WithoutPayloads(PushChunker::resume_at(profile, offset))
    };
    let resource = ResourceArc::new(ChunkerResource(Handle::new(chunker)));
    // A process that runs this call is alive.
    let _ = resource.monitor(Some(env), &env.pid());
    Ok(resource)
}

twins! {
    /// Returns the chunks that end in `slice`; `more` means that other slices of the same piece follow.
    chunker_feed_normal, chunker_feed_dirty(
        env,
        chunker: ResourceArc<ChunkerResource>,
        slice: Binary<'a>,
        more: bool
    ) -> Result<Vec<Term<'a>>, Failure> {
        account(env, slice.len(), BYTES_PER_PERCENT);
        feed(env, &chunker, slice, more)
    }
}

fn feed<'a>(
    env: Env<'a>,
    chunker: &ChunkerResource,
    slice: Binary<'a>,
    more: bool,
) -> Result<Vec<Term<'a>>, Failure> {
    chunker.0.with(env, more, |chunker| {
        Ok(match chunker {
            AnyChunker::WithoutPayloads(chunker) => {
                chunker.feed(slice.as_slice()).iter().map(|chunk| without_payload(env, chunk)).collect()
            }
            AnyChunker::WithPayloads(chunker) => {
                chunker.feed(slice.as_slice()).iter().map(|chunk| with_payload(env, chunk)).collect()
            }
        })
    })
}

/// Returns the last chunk, if there is one, and closes the chunker.
#[rustler::nif(schedule = "DirtyCpu")]
fn chunker_finish_dirty<'a>(
    env: Env<'a>,
    chunker: ResourceArc<ChunkerResource>,
) -> Result<Vec<Term<'a>>, Failure> {
    let last = match chunker.0.take(env)? {
        AnyChunker::WithoutPayloads(chunker) => chunker.finish().map(|chunk| without_payload(env, &chunk)),
        AnyChunker::WithPayloads(chunker) => chunker.finish().map(|chunk| with_payload(env, &chunk)),
    };
    Ok(last.into_iter().collect())
}

/// Closes the chunker and frees what it holds.
#[rustler::nif]
fn chunker_close(env: Env<'_>, chunker: ResourceArc<ChunkerResource>) -> Result<Atom, Failure> {
    chunker.0.take(env).map(|_| rustler::types::atom::ok())
}

/// Returns `{hash, offset, length, payload}`.
fn with_payload<'a>(env: Env<'a>, chunk: &ChunkMetadata) -> Term<'a> {
    (Bytes(chunk.hash), chunk.offset, chunk.length, Bytes(&chunk.payload)).encode(env)
}
