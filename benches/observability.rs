//! What observing costs a chunk of 16 KiB: `make bench-observability`.
//!
//! Builds with other features are other programs, so each is copied (`-- copy FILE`) and one of them
//! compares (`-- compare FILE…`): it has all of them, and every state of each, run in turn. Prints the
//! median of differences to the first in nanoseconds; absolute times on shared machines mislead.

use chunker::chunking::{ChunkingOptions, HashAlgorithm, chunk_descriptors};
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

const CHUNK: usize = 16 << 10;
/// In the cache of one core.
const CHUNKS: usize = 16;
const CALLS: usize = 20;
const ROUNDS: usize = 1500;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.split_first() {
        Some((task, [file])) if task == "copy" => {
            std::fs::copy(std::env::current_exe()?, file)?;
            Ok(())
        }
        Some((task, [])) if task == "serve" => serve(),
        Some((task, files)) if task == "compare" => compare(files),
        _ => Err("usage: make bench-observability".into()),
    }
}

/// The states of this build; the first is switched off.
const STATES: &[&str] = if cfg!(feature = "metrics") {
    &["metrics on"]
} else if cfg!(feature = "tracing") {
    &["tracing off", "tracing on", "profiling on"]
} else {
    &["no features"]
};

/// Prints the states, then for each that is asked for the nanoseconds of a chunk.
fn serve() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "metrics")]
    let upkeep = {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)?;
        chunker::metrics_utils::init_metrics();
        move || handle.run_upkeep()
    };
    #[cfg(feature = "tracing")]
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::sink).init();
    println!("{}", STATES.join(","));
    let data: Vec<u8> = (0..CHUNK * CHUNKS).map(|i| (i * i % 251).to_le_bytes()[0]).collect();
    let options = ChunkingOptions::resolve(Some(CHUNK), Some(CHUNK), Some(CHUNK))?;
    let chunk = || black_box(chunk_descriptors(black_box(&data), options, HashAlgorithm::Blake3)).len();
    assert_eq!(chunk(), CHUNKS);
    for state in std::io::stdin().lines() {
        let state = state?;
        #[cfg(feature = "tracing")]
        {
            chunker::tracing_utils::set_tracing_enabled(state == "tracing on");
            chunker::profiling::set_profiling_enabled(state == "profiling on");
        }
        assert!(STATES.contains(&state.as_str()));
        black_box(chunk()); // the caches are warm
        let start = Instant::now();
        for _ in 0..CALLS {
            chunk();
        }
        println!("{}", start.elapsed().as_secs_f64() * 1e9 / (CALLS * CHUNKS) as f64);
        #[cfg(feature = "metrics")]
        upkeep();
    }
    Ok(())
}

struct Peer {
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn answer(&mut self) -> Result<String, Box<dyn Error>> {
        Ok(self.answers.next().ok_or("a program ended early")??)
    }

    fn nanoseconds(&mut self, state: &str) -> Result<f64, Box<dyn Error>> {
        writeln!(self.requests, "{state}")?;
        Ok(self.answer()?.parse()?)
    }
}

fn compare(files: &[String]) -> Result<(), Box<dyn Error>> {
    let mut peers = Vec::new();
    let mut states = Vec::new();
    for file in files {
        let mut child =
            Command::new(file).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (requests, answers) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let mut peer = Peer { requests, answers: BufReader::new(answers).lines() };
        states.extend(peer.answer()?.split(',').map(|state| (peers.len(), state.to_owned())));
        peers.push(peer);
    }
    let mut times = vec![Vec::new(); states.len()];
    for _ in 0..ROUNDS {
        for ((peer, state), times) in states.iter().zip(&mut times) {
            times.push(peers[*peer].nanoseconds(state)?);
        }
    }
    println!("ns for a chunk of 16 KiB, cut at max_size and hashed by BLAKE3; medians of {ROUNDS} rounds");
    for ((_, state), of_state) in states.iter().zip(&times) {
        let differences = of_state.iter().zip(&times[0]).map(|(time, base)| time - base).collect();
        println!("{state:<22}{:>9.1}{:>+9.1}", median(of_state.clone()), median(differences));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
