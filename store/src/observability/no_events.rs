//! No events: the feature `tracing` is off.

pub(super) fn pack_written(_chunks: usize, _raw: u64, _size: u64) {}

pub(super) fn packs_deleted(_packs: u64, _bytes: u64) {}

pub(super) fn failed(_code: &'static str) {}
