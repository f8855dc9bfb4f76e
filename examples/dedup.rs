//! Counts what deduplication would save: `cargo run --release --example dedup -- FILE...`

use chunker::Profile;
use chunker::chunking::{ChunkStream, ChunkingError, HashAlgorithm};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Default)]
struct Totals {
    bytes: u64,
    unique_bytes: u64,
    chunks: u64,
    digests: HashSet<[u8; 32]>,
}

fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        eprintln!("usage: cargo run --release --example dedup -- FILE...");
        return ExitCode::from(2);
    }
    let mut totals = Totals::default();
    let mut failed = false;
    let start = Instant::now();
    for path in &files {
        if let Err(error) = add(path, &mut totals) {
            let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("{}: {error}{source}", path.display());
            failed = true;
        }
    }
    report(&totals, start.elapsed().as_secs_f64());
    ExitCode::from(u8::from(failed))
}

/// Adds the chunks of one file; all of them, or none when reading fails.
fn add(path: &Path, totals: &mut Totals) -> Result<(), ChunkingError> {
    let at_start = |source| chunker::chunking::ReadError { offset: 0, source };
    let file = File::open(path).map_err(at_start)?;
    let length = file.metadata().map_err(at_start)?.len();
    let bar = ProgressBar::new(length).with_message(path.display().to_string());
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let stream = ChunkStream::with_profile(bar.wrap_read(file), Profile::LARGE.hash(HashAlgorithm::Blake3))?;
    let chunks = stream.map(|chunk| chunk.map(|chunk| chunk.descriptor())).collect::<Result<Vec<_>, _>>();
    bar.finish_and_clear();
    for chunk in chunks? {
        totals.chunks += 1;
        totals.bytes += chunk.length as u64;
        if totals.digests.insert(chunk.hash) {
            totals.unique_bytes += chunk.length as u64;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn report(totals: &Totals, seconds: f64) {
    let Totals { bytes, unique_bytes, chunks, digests } = totals;
    println!("chunks        {chunks}, {} unique", digests.len());
    println!("bytes         {bytes} ({})", HumanBytes(*bytes));
    println!("unique bytes  {unique_bytes} ({})", HumanBytes(*unique_bytes));
    if *unique_bytes > 0 {
        println!("ratio         {:.2}", *bytes as f64 / *unique_bytes as f64);
    }
    println!("speed         {:.2} GB/s read, cut and hashed with BLAKE3", *bytes as f64 / seconds / 1e9);
}
