//! Observability: counters for the `metrics` facade and events for `tracing`.
//!
//! Each part is compiled only with its feature. It is called once per pack, window or operation.

#[cfg_attr(not(feature = "metrics"), path = "no_counters.rs")]
mod counters;
#[cfg_attr(not(feature = "tracing"), path = "no_events.rs")]
mod events;

pub(crate) fn looked_up(missing: &[bool]) {
    let absent = missing.iter().filter(|&&missing| missing).count();
    counters::looked_up(missing.len() - absent, absent);
}

pub(crate) fn pack_written(chunks: usize, raw: u64, size: u64) {
    counters::pack_written(chunks, raw, size);
    events::pack_written(chunks, raw, size);
}

pub(crate) fn chunks_read(lengths: impl Iterator<Item = u32>) {
    let (mut count, mut bytes) = (0, 0);
    for length in lengths {
        count += 1;
        bytes += u64::from(length);
    }
    counters::chunks_read(count, bytes);
}

pub(crate) fn committed() {
    counters::committed();
}

pub(crate) fn packs_deleted(packs: u64, bytes: u64) {
    counters::packs_deleted(packs, bytes);
    events::packs_deleted(packs, bytes);
}

pub(crate) fn chunks_copied(chunks: u64, bytes: u64) {
    counters::chunks_copied(chunks, bytes);
}

pub(crate) fn index_damaged() {
    counters::failed("index_damaged");
    events::failed("index_damaged");
}

pub(crate) fn failed(code: &'static str) {
    counters::failed(code);
    events::failed(code);
}
