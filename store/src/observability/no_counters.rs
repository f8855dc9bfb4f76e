//! No counters: the feature `metrics` is off.

pub(super) fn looked_up(_present: usize, _missing: usize) {}

pub(super) fn pack_written(_chunks: usize, _raw: u64, _size: u64) {}

pub(super) fn chunks_read(_chunks: u64, _bytes: u64) {}

pub(super) fn committed() {}

pub(super) fn packs_deleted(_packs: u64, _bytes: u64) {}

pub(super) fn chunks_copied(_chunks: u64, _bytes: u64) {}

pub(super) fn failed(_code: &'static str) {}
