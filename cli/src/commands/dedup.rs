//! `chunker dedup`: measures what deduplication would save.

use crate::args::{Dedup, Global};
use crate::failure::Failure;
use crate::input::{each, total_length};
use crate::output::{count, saved, size};
use crate::progress::Progress;
use serde::Serialize;
use std::collections::HashSet;
use std::time::Instant;

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Total {
    files: u64,
    bytes: u64,
    chunks: u64,
    unique_bytes: u64,
    unique_chunks: u64,
    seconds: f64,
}

pub(crate) fn run(global: &Global, options: &Dedup) -> Result<(), Failure> {
    let start = Instant::now();
    let progress = Progress::bytes(global.output(), "reading", total_length(&options.files));
    let profile = options.cutting.profile();
    let mut total = Total::default();
    let mut digests = HashSet::new();
    let result = each(global, &options.files, "read", &progress, |input| {
        let mut chunks = Vec::new();
        input.descriptors(profile, &progress, |chunk| {
            chunks.push((chunk.hash, chunk.length as u64));
            Ok(())
        })?;
        // Only files that were read completely count.
        total.files += 1;
        for (digest, length) in chunks {
            total.chunks += 1;
            total.bytes += length;
            if digests.insert(digest) {
                total.unique_chunks += 1;
                total.unique_bytes += length;
            }
        }
        Ok(())
    });
    progress.clear();
    if !matches!(result, Ok(()) | Err(Failure::Some { .. })) {
        return result;
    }
    total.seconds = start.elapsed().as_secs_f64();
    let text = format_args!(
        "{} in {}, cut by {profile}\n{}, {} unique\n{} unique; deduplication saves {}\n{}/s",
        size(total.bytes),
        count(total.files, "file"),
        count(total.chunks, "chunk"),
        total.unique_chunks,
        size(total.unique_bytes),
        saved(total.unique_bytes, total.bytes),
        size(rate(total)),
    );
    global.output().print(&total, text)?;
    result
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people"
)]
fn rate(total: Total) -> u64 {
    (total.bytes as f64 / total.seconds.max(f64::EPSILON)) as u64
}
