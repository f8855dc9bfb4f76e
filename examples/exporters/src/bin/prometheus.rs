//! Serves the library's metrics to Prometheus while it chunks files again and again:
//! `cargo run --release --package exporters --bin prometheus -- FILE...`, then
//! `curl http://127.0.0.1:9184/metrics`.

use chunker::chunking::{ChunkStream, ChunkingError, ReadError};
use chunker::metrics_utils::{buckets, init_metrics};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let metric = |name: &str| Matcher::Full(name.to_owned());
    PrometheusBuilder::new()
        .with_http_listener(([127, 0, 0, 1], 9184))
        .set_buckets_for_metric(metric("chunker.chunk_latency_seconds"), buckets::CHUNK_LATENCY)?
        .set_buckets_for_metric(metric("chunker.hash_latency_seconds"), buckets::HASH_LATENCY)?
        .set_buckets_for_metric(metric("chunker.compression_latency_seconds"), buckets::COMPRESSION_LATENCY)?
        .install()?;
    init_metrics(); // once the recorder is installed
    println!("http://127.0.0.1:9184/metrics");
    loop {
        for path in &files {
            match chunk(path) {
                Ok(chunks) => println!("{chunks:>8} chunks  {}", path.display()),
                Err(error) => println!("{error}  {}", path.display()),
            }
        }
        std::thread::sleep(Duration::from_secs(5));
    }
}

fn chunk(path: &Path) -> Result<usize, ChunkingError> {
    let file = File::open(path).map_err(|source| ReadError { offset: 0, source })?;
    let mut chunks = 0;
    for chunk in ChunkStream::new(file, None, None, None)? {
        chunk?;
        chunks += 1;
    }
    Ok(chunks)
}
