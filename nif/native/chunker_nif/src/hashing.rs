//! Digests.

use crate::failure::Failure;
use crate::options::Hash;
use crate::terms::{Bytes, account, twins};
use chunker::hashing::Hasher;
use rustler::{Binary, Env, Resource, ResourceArc};
use std::sync::{Mutex, PoisonError};

/// Bytes hashed in 1 % of a timeslice, 10 µs, by SHA-256 with the CPU's instructions for it.
const BYTES_PER_PERCENT: usize = 12 * 1024;

type Digest = Result<Bytes<[u8; 32]>, Failure>;

twins! {
    /// Returns the digest of `data`.
    hash_normal, hash_dirty(env, data: Binary<'a>, hash: Hash) -> Digest {
        account(env, data.len(), BYTES_PER_PERCENT);
        Ok(Bytes(hash.algorithm()?.digest(data.as_slice())))
    }
}

/// A digest being computed.
struct HasherResource(Mutex<Hasher>);

#[rustler::resource_impl]
impl Resource for HasherResource {}

/// Returns a hasher that has seen no data, for the slices of one binary.
#[rustler::nif]
fn hasher_open(hash: Hash) -> Result<ResourceArc<HasherResource>, Failure> {
    Ok(ResourceArc::new(HasherResource(Mutex::new(Hasher::new(hash.algorithm()?)))))
}

/// Appends `data`.
#[rustler::nif(schedule = "DirtyCpu")]
fn hasher_update_dirty(hasher: ResourceArc<HasherResource>, data: Binary<'_>) -> rustler::Atom {
    hasher.0.lock().unwrap_or_else(PoisonError::into_inner).update(data.as_slice());
    rustler::types::atom::ok()
}

/// Returns the digest of all data, and starts over with none.
#[rustler::nif]
fn hasher_finalize(hasher: ResourceArc<HasherResource>) -> Bytes<[u8; 32]> {
    Bytes(hasher.0.lock().unwrap_or_else(PoisonError::into_inner).finalize_reset())
}
