//! Totals of this VM.

use crate::failure::Failure;
use chunker::metrics_utils::{CodecTally, Tally, Totals, totals};
use rustler::{Encoder, Env, NifMap, Term};
use std::collections::{BTreeMap, HashMap};

#[derive(NifMap)]
struct Metrics<'a> {
    chunks: Term<'a>,
    digests: Term<'a>,
    compression: Term<'a>,
    decompression: Term<'a>,
    errors: Term<'a>,
}

#[derive(NifMap)]
struct Things {
    count: u64,
    bytes: u64,
}

#[derive(NifMap)]
struct Direction {
    bytes_in: u64,
    bytes_out: u64,
}

/// Returns the totals since the library was loaded.
#[rustler::nif]
fn metrics(env: Env<'_>) -> Metrics<'_> {
    let Totals { chunks, digests, compression, decompression, errors, .. } = totals();
    let things = |Tally { count, bytes }| Things { count, bytes };
    let direction = |CodecTally { bytes_in, bytes_out }| Direction { bytes_in, bytes_out };
    Metrics {
        chunks: by_name(env, chunks, things),
        digests: by_name(env, digests, things),
        compression: by_name(env, compression, direction),
        decompression: by_name(env, decompression, direction),
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
