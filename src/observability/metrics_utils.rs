//! Counters and histograms, for any recorder of the [`metrics`](https://docs.rs/metrics) facade.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `chunker.chunks_emitted_total` | counter | | chunks with digests |
//! | `chunker.bytes_processed_total` | counter | | bytes in them |
//! | `chunker.chunk_size_bytes` | histogram | | their lengths |
//! | `chunker.chunk_latency_seconds` | histogram | | time to cut and hash one, waiting left out; of one chunk in 64 |
//! | `chunker.hash_operations_total` | counter | `algorithm` | digests, those of chunks among them |
//! | `chunker.hash_bytes_total` | counter | `algorithm` | bytes digested |
//! | `chunker.hash_latency_seconds` | histogram | `algorithm` | time for a digest; of one in 64 |
//! | `chunker.compression_bytes_in_total` | counter | `codec` | bytes compressed |
//! | `chunker.compression_bytes_out_total` | counter | `codec` | bytes that they became |
//! | `chunker.compression_ratio` | histogram | `codec` | bytes in / bytes out |
//! | `chunker.compression_latency_seconds` | histogram | `codec` | time of a compression |
//! | `chunker.decompression_bytes_in_total` | counter | `codec` | bytes decompressed |
//! | `chunker.decompression_bytes_out_total` | counter | `codec` | bytes that they became |
//! | `chunker.errors_total` | counter | `kind` | errors returned, by their `code` |
//! | `chunker.latency_threshold_exceeded_total` | counter | `operation` | windows of latencies over their threshold |
//!
//! Totals are exact. Every input gathers its numbers and delivers them every 16 chunks and at its
//! end, so that threads do not wait for each other, and nothing is left behind on any of them. What
//! was counted before [`init_metrics`] is delivered by it: counters as they are, values of histograms
//! within 1 %.
//!
//! Without the feature `metrics` the functions here do nothing.

pub use super::metrics::*;
