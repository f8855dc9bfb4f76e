//! Events of `tracing`.

use tracing::debug;

pub(super) fn pack_written(chunks: usize, raw: u64, size: u64) {
    debug!(target: "chunker_store", chunks, bytes = raw, stored = size, "pack_written");
}

pub(super) fn packs_deleted(packs: u64, bytes: u64) {
    debug!(target: "chunker_store", packs, bytes, "packs_deleted");
}

pub(super) fn failed(code: &'static str) {
    debug!(target: "chunker_store", code, "error_returned");
}
