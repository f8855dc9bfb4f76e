//! What observing costs a chunk of 16 KiB: `make bench-observability`.
//!
//! Builds with other features are other programs, so each is copied (`-- copy FILE`) and one of them
//! compares (`-- compare FILE…`, `FILE:RECORDER` for a recorder of metrics): it has all of them, and
//! every state of each, run in turn. Prints the median of differences to the first in nanoseconds;
//! absolute times on shared machines mislead.

use chunker::chunking::{ChunkDescriptor, HashAlgorithm, chunk_descriptors};
use chunker::{Profile, cut_points};
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
        Some((task, [calls])) if task == "repeat" => {
            let chunk = work(chunk_descriptors)?;
            (0..calls.parse()?).for_each(|_| chunk());
            Ok(())
        }
        Some((task, [calls])) if task == "repeat-by-hand" => {
            let chunk = work(by_hand)?;
            (0..calls.parse()?).for_each(|_| chunk());
            Ok(())
        }
        Some((task, [recorder])) if task == "serve" => serve(recorder),
        Some((task, files)) if task == "compare" => compare(files),
        _ => Err("usage: make bench-observability".into()),
    }
}

type Chunk = fn(&[u8], Profile) -> Vec<ChunkDescriptor>;

/// [`chunk_descriptors`] with BLAKE3, of parts that nothing observes.
fn by_hand(data: &[u8], profile: Profile) -> Vec<ChunkDescriptor> {
    let mut start = 0;
    let describe = |end| {
        let payload = &data[std::mem::replace(&mut start, end)..end];
        let (offset, length) = ((end - payload.len()) as u64, payload.len());
        ChunkDescriptor { hash: blake3::hash(payload).into(), offset, length }
    };
    cut_points(data, profile).map(describe).collect()
}

/// Returns what makes [`CHUNKS`] chunks of [`CHUNK`] bytes by `chunk`.
fn work(chunk: Chunk) -> Result<impl Fn(), Box<dyn Error>> {
    let data: Vec<u8> = (0..CHUNK * CHUNKS).map(|i| (i * i % 251).to_le_bytes()[0]).collect();
    let profile = Profile::new(CHUNK, CHUNK, CHUNK)?;
    Ok(move || {
        let chunks = black_box(chunk(black_box(&data), profile.hash(HashAlgorithm::Blake3)));
        assert_eq!(chunks.len(), CHUNKS);
    })
}

/// Returns the states of this build, with a recorder of metrics; the first is switched off.
fn states(recorder: &str) -> Vec<&str> {
    match recorder {
        "none" => vec!["metrics, no recorder"],
        "atomics" => vec!["metrics, atomics"],
        "prometheus" => vec!["metrics, Prometheus", "and one record more"],
        _ if cfg!(feature = "tracing") => vec!["tracing off", "tracing on", "profiling on"],
        _ => vec!["no features"],
    }
}

/// Prints the states, then for each that is asked for the nanoseconds of a chunk.
fn serve(recorder: &str) -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "metrics")]
    let upkeep = recorders::install(recorder)?;
    #[cfg(feature = "metrics")]
    let more = metrics::histogram!("more");
    #[cfg(feature = "tracing")]
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::sink).init();
    let states = states(recorder);
    println!("{}", states.join(";"));
    let chunk = work(chunk_descriptors)?;
    for state in std::io::stdin().lines() {
        let state = state?;
        #[cfg(feature = "tracing")]
        {
            chunker::tracing_utils::set_tracing_enabled(state == "tracing on");
            chunker::profiling::set_profiling_enabled(state == "profiling on");
        }
        assert!(states.contains(&state.as_str()));
        chunk(); // the caches are warm
        let start = Instant::now();
        for _ in 0..CALLS {
            chunk();
            #[cfg(feature = "metrics")]
            if state == "and one record more" {
                (0..CHUNKS).for_each(|_| more.record(black_box(CHUNK as f64)));
            }
        }
        println!("{}", start.elapsed().as_secs_f64() * 1e9 / (CALLS * CHUNKS) as f64);
        #[cfg(feature = "metrics")]
        upkeep();
    }
    Ok(())
}

#[cfg(feature = "metrics")]
mod recorders {
    use metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder};
    use metrics::{SharedString, Unit};
    use std::error::Error;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Installs a recorder, and returns what is to be done for it now and then.
    pub(super) fn install(name: &str) -> Result<Box<dyn Fn()>, Box<dyn Error>> {
        let mut upkeep: Box<dyn Fn()> = Box::new(|| {});
        match name {
            "none" => return Ok(upkeep),
            "atomics" => metrics::set_global_recorder(Atomics)?,
            _ => {
                let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
                let handle = recorder.handle();
                metrics::set_global_recorder(recorder)?;
                upkeep = Box::new(move || handle.run_upkeep());
            }
        }
        chunker::metrics_utils::init_metrics();
        Ok(upkeep)
    }

    /// Keeps sums, and how many values of a histogram have each power of two.
    struct Atomics;

    #[derive(Default)]
    struct Sum(AtomicU64);

    impl CounterFn for Sum {
        fn increment(&self, value: u64) {
            self.0.fetch_add(value, Ordering::Relaxed);
        }

        fn absolute(&self, value: u64) {
            self.0.fetch_max(value, Ordering::Relaxed);
        }
    }

    struct PowersOfTwo([AtomicU64; 2048]);

    impl HistogramFn for PowersOfTwo {
        fn record(&self, value: f64) {
            // the biased exponent, of a value that is not negative
            let power = usize::try_from(value.to_bits() >> 52).unwrap_or_default();
            self.0[power % 2048].fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Recorder for Atomics {
        fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
        fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
        fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

        fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(Sum::default()))
        }

        fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(PowersOfTwo([const { AtomicU64::new(0) }; 2048])))
        }
    }
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
        let (file, recorder) = file.split_once(':').unwrap_or((file, ""));
        let mut command = Command::new(file);
        command.args(["serve", recorder]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (requests, answers) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let mut peer = Peer { requests, answers: BufReader::new(answers).lines() };
        states.extend(peer.answer()?.split(';').map(|state| (peers.len(), state.to_owned())));
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
