//! Counters for any recorder of the `metrics` facade.

use metrics::counter;

pub(super) fn answered(operation: &'static str, status: u16) {
    let status = status.to_string();
    counter!("chunker_server_requests_total", "operation" => operation, "status" => status).increment(1);
}

pub(super) fn received(bytes: usize) {
    counter!("chunker_server_bytes_total", "direction" => "in").increment(bytes as u64);
}

pub(super) fn sent(bytes: usize) {
    counter!("chunker_server_bytes_total", "direction" => "out").increment(bytes as u64);
}

pub(super) fn cut() {
    counter!("chunker_server_answers_cut_total").increment(1);
}
