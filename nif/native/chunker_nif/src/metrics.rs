//! What the library counted in this VM.

use crate::failure::Failure;
use chunker::metrics_utils::{CompressionTotals, HashTotals, Totals, totals};
use rustler::{Encoder, Env, NifMap, Term};
use std::collections::{BTreeMap, HashMap};

#[derive(NifMap)]
struct Metrics<'a> {
    chunks: u64,
    bytes: u64,
    hashes: Term<'a>,
    compressions: Term<'a>,
    errors: Term<'a>,
}

#[derive(NifMap)]
struct Hashes {
    operations: u64,
    bytes: u64,
}

#[derive(NifMap)]
struct Compressions {
    bytes_in: u64,
    bytes_out: u64,
}

/// Returns the totals since the library was loaded.
#[rustler::nif]
fn metrics(env: Env<'_>) -> Metrics<'_> {
    let Totals { chunks_emitted, bytes_processed, hashes, compressions, errors, .. } = totals();
    Metrics {
        chunks: chunks_emitted,
        bytes: bytes_processed,
        hashes: by_name(env, hashes, |HashTotals { operations, bytes }| Hashes { operations, bytes }),
        compressions: by_name(env, compressions, |CompressionTotals { bytes_in, bytes_out }| Compressions {
            bytes_in,
            bytes_out,
        }),
        errors: by_name(env, errors, |count| count),
    }
}

/// Returns a map whose keys are atoms: names of the core.
fn by_name<'a, T, V: Encoder>(
    env: Env<'a>,
    totals: BTreeMap<&'static str, T>,
    value: impl Fn(T) -> V,
) -> Term<'a> {
    let totals = totals.into_iter().map(|(name, total)| (Failure::of(name).encode(env), value(total)));
    totals.collect::<HashMap<_, _>>().encode(env)
}
