//! Counters for any recorder of the `metrics` facade.

use metrics::counter;

pub(super) fn looked_up(present: usize, missing: usize) {
    counter!("chunker_store_lookups_total", "result" => "present").increment(present as u64);
    counter!("chunker_store_lookups_total", "result" => "missing").increment(missing as u64);
}

pub(super) fn pack_written(chunks: usize, raw: u64, size: u64) {
    counter!("chunker_store_packs_written_total").increment(1);
    counter!("chunker_store_chunks_written_total").increment(chunks as u64);
    counter!("chunker_store_bytes_written_total", "form" => "raw").increment(raw);
    counter!("chunker_store_bytes_written_total", "form" => "stored").increment(size);
}

pub(super) fn chunks_read(chunks: u64, bytes: u64) {
    counter!("chunker_store_chunks_read_total").increment(chunks);
    counter!("chunker_store_bytes_read_total").increment(bytes);
}

pub(super) fn committed() {
    counter!("chunker_store_commits_total").increment(1);
}

pub(super) fn packs_deleted(packs: u64, bytes: u64) {
    counter!("chunker_store_packs_deleted_total").increment(packs);
    counter!("chunker_store_bytes_freed_total").increment(bytes);
}

pub(super) fn chunks_copied(chunks: u64, bytes: u64) {
    counter!("chunker_store_chunks_copied_total").increment(chunks);
    counter!("chunker_store_bytes_copied_total").increment(bytes);
}

pub(super) fn failed(code: &'static str) {
    counter!("chunker_store_errors_total", "code" => code).increment(1);
}
