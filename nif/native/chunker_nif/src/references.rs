//! Nix references, taken out of streams and put back.

use crate::failure::Failure;
use crate::handle::Handle;
use crate::terms::{Bytes, Items, account, twins};
use chunker::nix::references::{ReferenceNormalizer, ReferencePatches, StoreHash};
use rustler::{Binary, Env, LocalPid, Monitor, NewBinary, Resource, ResourceArc, Term};

/// Bytes normalized in 1 % of a timeslice, 10 µs, where most of them are digits of base32.
const BYTES_PER_PERCENT: usize = 4 * 1024;

/// A stream whose hashes are being replaced.
struct NormalizerResource(Handle<ReferenceNormalizer>);

#[rustler::resource_impl]
impl Resource for NormalizerResource {
    fn down<'a>(&'a self, _: Env<'a>, _: LocalPid, _: Monitor) {
        self.0.orphan();
    }
}

/// The hashes replaced in a stream.
pub(crate) struct PatchesResource(pub(crate) ReferencePatches);

#[rustler::resource_impl]
impl Resource for PatchesResource {}

/// Returns a normalizer that looks for the hashes of these store paths, and that the calling process owns.
#[rustler::nif(schedule = "DirtyCpu")]
fn normalizer_open_dirty(env: Env<'_>, paths: Items<'_>) -> Result<ResourceArc<NormalizerResource>, Failure> {
    let hash = |path: &Term<'_>| -> Result<StoreHash, Failure> {
        let path: &str = path.decode().map_err(|_| Failure::ARGUMENT)?;
        Ok(StoreHash::of_path_or_hash(path)?)
    };
    let hashes = paths.0.iter().map(hash).collect::<Result<Vec<_>, _>>()?;
    let resource = ResourceArc::new(NormalizerResource(Handle::new(ReferenceNormalizer::new(hashes)?)));
    // The process that runs this call is alive, or its end drops the resource.
    let _ = resource.monitor(Some(env), &env.pid());
    Ok(resource)
}

twins! {
    /// Takes a slice of the stream, and returns the bytes that are final; `more` means that other slices of the
    /// same piece follow.
    normalizer_feed_normal, normalizer_feed_dirty(
        env,
        normalizer: ResourceArc<NormalizerResource>,
        slice: Binary<'a>,
        more: bool
    ) -> Result<Bytes<Vec<u8>>, Failure> {
        account(env, slice.len(), BYTES_PER_PERCENT);
        normalizer.0.with(env, more, |normalizer| {
            let mut output = Vec::new();
            normalizer.push(slice.as_slice(), &mut output)?;
            Ok(Bytes(output))
        })
    }
}

/// Ends the stream, and returns the rest of it and what was replaced.
#[rustler::nif(schedule = "DirtyCpu")]
fn normalizer_finish_dirty(
    env: Env<'_>,
    normalizer: ResourceArc<NormalizerResource>,
) -> Result<(Bytes<Vec<u8>>, ResourceArc<PatchesResource>), Failure> {
    let mut output = Vec::new();
    let patches = normalizer.0.take(env)?.finish(&mut output)?;
    Ok((Bytes(output), ResourceArc::new(PatchesResource(patches))))
}

/// Returns the patches of their canonical bytes.
#[rustler::nif(schedule = "DirtyCpu")]
fn patches_parse_dirty(bytes: Binary<'_>) -> Result<ResourceArc<PatchesResource>, Failure> {
    Ok(ResourceArc::new(PatchesResource(ReferencePatches::from_bytes(bytes.as_slice())?)))
}

/// Returns the canonical bytes.
#[rustler::nif(schedule = "DirtyCpu")]
fn patches_bytes_dirty(patches: ResourceArc<PatchesResource>) -> Bytes<Vec<u8>> {
    Bytes(patches.0.to_bytes())
}

/// Returns the length of the stream in bytes, the number of patches, and the hashes.
#[rustler::nif(schedule = "DirtyCpu")]
fn patches_fields_dirty(patches: ResourceArc<PatchesResource>) -> (u64, usize, Vec<String>) {
    let hashes = patches.0.references().iter().map(ToString::to_string).collect();
    (patches.0.stream_length(), patches.0.len(), hashes)
}

twins! {
    /// Returns the bytes of a stream from `offset` on, with their hashes put back.
    patches_restore_normal, patches_restore_dirty(
        env,
        patches: ResourceArc<PatchesResource>,
        offset: u64,
        data: Binary<'a>
    ) -> Result<Binary<'a>, Failure> {
        account(env, data.len(), BYTES_PER_PERCENT);
        let mut restored = NewBinary::from_slice(env, data.as_slice());
        patches.0.restore(offset, restored.as_mut_slice())?;
        Ok(restored.into())
    }
}
