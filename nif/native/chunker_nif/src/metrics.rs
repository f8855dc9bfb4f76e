//! What the library counted in this VM.

use crate::failure::Failure;
use chunker::metrics_utils::{Totals, totals};
use rustler::{Encoder, Env, NifMap, Term};
use std::collections::HashMap;

#[derive(NifMap)]
struct Metrics<'a> {
    chunks: u64,
    bytes: u64,
    hash_operations: u64,
    hash_bytes: u64,
    compression_bytes_in: u64,
    compression_bytes_out: u64,
    errors: Term<'a>,
}

/// Returns the totals since the library was loaded.
#[rustler::nif]
fn metrics(env: Env<'_>) -> Metrics<'_> {
    let Totals {
        chunks_emitted,
        bytes_processed,
        hash_operations,
        hash_bytes,
        compression_bytes_in,
        compression_bytes_out,
        errors,
        ..
    } = totals();
    let errors: HashMap<_, _> =
        errors.into_iter().map(|(code, count)| (Failure::of(code).encode(env), count)).collect();
    Metrics {
        chunks: chunks_emitted,
        bytes: bytes_processed,
        hash_operations,
        hash_bytes,
        compression_bytes_in,
        compression_bytes_out,
        errors: errors.encode(env),
    }
}
