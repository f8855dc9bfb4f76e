//! Profiles the chunking and the compression of a file, prints where the time went, and draws it:
//! `cargo run --release --features flamegraph,zstd --example flamegraph -- FILE` writes
//! `tracing.folded` and `flamegraph.svg`.

use chunker::chunking::ChunkStream;
use chunker::compression::compress_zstd;
use chunker::profiling::{self, setup_flamegraph};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: flamegraph FILE")?;
    profiling::set_profiling_enabled(true); // as CHUNKER_PROFILE=1 does
    let guard = setup_flamegraph()?;
    for chunk in ChunkStream::new(File::open(path)?, None, None, None)? {
        compress_zstd(&chunk?.payload, None)?;
    }
    drop(guard); // the folded file is whole

    let mut options = inferno::flamegraph::Options::default();
    options.title = "chunker".to_owned();
    options.count_name = "ns".to_owned();
    let folded = BufReader::new(File::open("tracing.folded")?);
    let svg = BufWriter::new(File::create("flamegraph.svg")?);
    inferno::flamegraph::from_reader(&mut options, folded, svg)?;

    println!("{}\n\nwritten: tracing.folded, flamegraph.svg", profiling::pipeline_metrics().timings());
    Ok(())
}
