//! Counters and histograms, for any recorder of the [`metrics`](https://docs.rs/metrics) facade.
//!
//! | name | kind | labels | measures |
//! |---|---|---|---|
//! | `chunker.chunks_emitted_total` | counter | | chunks with digests |
//! | `chunker.bytes_processed_total` | counter | | bytes in them |
//! | `chunker.chunk_size_bytes` | histogram | | their lengths |
//! | `chunker.chunk_latency_seconds` | histogram | | time to cut and hash one, without waiting; for one chunk in 64 |
//! | `chunker.hash_operations_total` | counter | `algorithm` | digests, including those of chunks |
//! | `chunker.hash_bytes_total` | counter | `algorithm` | bytes digested |
//! | `chunker.hash_latency_seconds` | histogram | `algorithm` | time for a digest; for one in 64 |
//! | `chunker.compression_bytes_in_total` | counter | `codec` | bytes compressed |
//! | `chunker.compression_bytes_out_total` | counter | `codec` | bytes after it |
//! | `chunker.compression_ratio` | histogram | `codec` | bytes in / bytes out |
//! | `chunker.compression_latency_seconds` | histogram | `codec` | time for a compression |
//! | `chunker.decompression_bytes_in_total` | counter | `codec` | bytes decompressed |
//! | `chunker.decompression_bytes_out_total` | counter | `codec` | bytes after it |
//! | `chunker.errors_total` | counter | `kind` | errors returned, by their `code` |
//! | `chunker.latency_threshold_exceeded_total` | counter | `operation` | windows whose latencies exceeded their threshold |
//!
//! Totals are exact. Every input collects its numbers and delivers them every 16 chunks and at its
//! end, so threads do not wait for each other, and none of them keeps numbers back. [`init_metrics`]
//! delivers what was counted before it ran: counters exactly, values of histograms
//! within 1 %.
//!
//! Without the feature `metrics`, the functions here do nothing.

pub use super::metrics::*;
