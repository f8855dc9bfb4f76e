//! Events, warnings, profiles and exports, as a program sees them. Subscribers, recorders and
//! environments are the process's: each run has a child process of its own.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use chunker::chunking::{ChunkStream, HashAlgorithm, chunk_data, chunk_descriptors};
use chunker::metrics_utils::{self, LatencyGuard, buckets, init_metrics, totals};
use chunker::profiling::{self, Phase, PhaseTimer, PipelineMetrics, PipelineTimings};
use chunker::tracing_utils::{self, trace_sampled};
use chunker::{Profile, compression, time_operation};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const NOISE: u64 = 0x9e37_79b9_7f4a_7c15;

fn data(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(i).wrapping_mul(NOISE) >> 56).to_le_bytes()[0]).collect()
}

/// Chunks of exactly 64 bytes.
fn chunk(count: usize) {
    let profile = Profile::new(64, 64, 64).unwrap();
    assert_eq!(chunk_descriptors(&data(64 * count), profile.hash(HashAlgorithm::Blake3)).len(), count);
}

/// Runs the test `name` of this file, which is ignored otherwise, and returns what it writes.
fn run(name: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("observability::{name}"), "--ignored", "--nocapture"])
        .env_remove("RUST_LOG");
    command.env_remove("CHUNKER_PROFILE").env_remove("CHUNKER_METRICS_SAMPLE_RATE");
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    text.into_owned()
}

#[test]
#[ignore = "run by levels_change_while_the_program_runs"]
fn levels() {
    let say = |text| println!("-- {text}");
    say("not initialized");
    chunk(3000);
    assert!(tracing_utils::init_tracing(tracing::Level::INFO));
    assert!(!tracing_utils::init_tracing(tracing::Level::INFO), "there is one");
    say("info");
    chunk(3000);
    assert!(tracing_utils::set_tracing_level(tracing::Level::TRACE));
    say("trace");
    chunk(4096);
    tracing_utils::set_tracing_enabled(false);
    say("off");
    chunk(4096);
    tracing_utils::set_tracing_enabled(true);
    tracing_utils::set_trace_sample_rate(std::num::NonZeroU64::MIN);
    say("all");
    chunk(1025);
}

#[test]
fn levels_change_while_the_program_runs() {
    let output = run("levels", &[]);
    let events: Vec<usize> =
        output.split("-- ").skip(1).map(|part| part.matches("chunk_emitted").count()).collect();
    // At INFO the counter runs on: the first chunk and every 1024th were passed to a level that is off.
    // The last part begins with what the old rate still skips.
    assert_eq!(events[..4], [0, 0, 4, 0], "{output}");
    assert!((2..=1025).contains(&events[4]), "{output}");
    assert!(output.contains("TRACE chunk_emitted offset="), "{output}");
}

#[test]
#[ignore = "run by arguments_are_not_looked_at_unless_a_sample_is_due"]
fn sampling() {
    let looked_at = std::cell::Cell::new(0);
    let look = || {
        looked_at.set(looked_at.get() + 1);
        looked_at.get()
    };
    let trace = |times: usize| (0..times).for_each(|_| trace_sampled!(10, looked_at = look(), "sampled"));
    trace(1000);
    assert_eq!(looked_at.get(), 0, "switched off");
    assert!(tracing_utils::init_tracing(tracing::Level::INFO));
    trace(1000);
    assert_eq!(looked_at.get(), 0, "the level is off");
    assert!(tracing_utils::set_tracing_level(tracing::Level::TRACE));
    trace(1000);
    assert_eq!(looked_at.get(), 100, "one of ten");
}

#[test]
fn arguments_are_not_looked_at_unless_a_sample_is_due() {
    assert_eq!(run("sampling", &[]).matches("looked_at=").count(), 100);
}

/// A reader that takes its time.
struct Slow(usize);

impl Read for Slow {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(30));
        self.0 = self.0.saturating_sub(1);
        Ok(if self.0 == 0 { 0 } else { space.len().min(1000) })
    }
}

#[test]
#[ignore = "run by the_profile_names_the_slowest_phase"]
fn profile() {
    assert!(tracing_utils::init_tracing(tracing::Level::INFO));
    let before = profiling::pipeline_metrics();
    let chunks = ChunkStream::new(Slow(5), None, None, None).unwrap().count();
    compression::compress_zstd(&data(100_000), None).unwrap();
    let PipelineMetrics {
        fastcdc_duration_ns,
        hashing_duration_ns,
        compression_duration_ns,
        io_wait_duration_ns,
        chunks_emitted,
        bytes_processed,
    } = profiling::pipeline_metrics().since(&before);
    if profiling::is_profiling_enabled() {
        assert_eq!((chunks_emitted, bytes_processed), (chunks as u64, 4000));
        assert!(fastcdc_duration_ns > 0 && hashing_duration_ns > 0 && compression_duration_ns > 0);
        assert!(io_wait_duration_ns >= 150_000_000, "five reads of 30 ms: {io_wait_duration_ns}");
    } else {
        assert_eq!((chunks_emitted, bytes_processed), (0, 0));
    }
    profiling::report();
    println!("{}", profiling::pipeline_metrics().timings());
}

#[test]
fn the_profile_names_the_slowest_phase() {
    for off in [&[][..], &[("CHUNKER_PROFILE", "0")]] {
        assert!(!run("profile", off).contains("pipeline_timing_breakdown"));
    }
    let output = run("profile", &[("CHUNKER_PROFILE", "1")]);
    println!("{output}");
    assert!(output.contains("pipeline_timing_breakdown"), "{output}");
    assert!(output.contains("slowest=\"io_wait\""), "{output}");
    assert!(output.contains("CHUNKER_READ_SLICE_CAP_BYTES"), "{output}");
}

#[test]
fn the_shares_of_a_profile_are_those_of_its_total() {
    let metrics = PipelineMetrics {
        fastcdc_duration_ns: 100,
        hashing_duration_ns: 600,
        compression_duration_ns: 50,
        io_wait_duration_ns: 250,
        ..PipelineMetrics::default()
    };
    let mut timings = metrics.timings();
    assert_eq!(timings.total_ns, 1000);
    assert_eq!(timings.slowest_phase(), Some(Phase::Hashing));
    assert_eq!(Phase::ALL.map(|phase| timings.percentage(phase)), [10.0, 60.0, 5.0, 25.0]);
    assert_eq!(timings.hint(), None);
    timings.io_wait_ns = 501;
    assert!(timings.hint().is_some(), "more than half of 1000");
    assert_eq!(PipelineTimings::default().slowest_phase(), None);
}

#[test]
fn phase_timers_add_up() {
    let mut nanoseconds = 7;
    let start = Instant::now();
    for _ in 0..3 {
        let _timer = PhaseTimer::new(&mut nanoseconds);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(nanoseconds >= 6_000_007);
    assert!(u128::from(nanoseconds - 7) <= start.elapsed().as_nanos());
}

#[test]
#[ignore = "run by every_phase_is_in_the_folded_file"]
fn flamegraph() {
    let path = std::env::var_os("FOLDED").unwrap();
    let guard = profiling::setup_flamegraph_in(&path).unwrap();
    let again = profiling::setup_flamegraph_in(&path).unwrap_err();
    assert_eq!(again.code(), "tracing_subscriber_installed");
    for chunk in ChunkStream::new(&data(3_000_000)[..], None, None, None).unwrap() {
        compression::compress_zstd(&chunk.unwrap().payload, None).unwrap();
    }
    drop(guard);
}

#[test]
fn every_phase_is_in_the_folded_file() {
    let path = std::env::temp_dir().join(format!("chunker-{}.folded", std::process::id()));
    run("flamegraph", &[("FOLDED", path.to_str().unwrap())]);
    let folded = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    for phase in Phase::ALL {
        assert!(folded.contains(&format!("; {phase} ")), "{phase}: {folded}");
    }
    let mut svg = Vec::new();
    let mut profile = inferno::flamegraph::Options::default();
    inferno::flamegraph::from_lines(&mut profile, folded.lines(), &mut svg).unwrap();
    assert!(String::from_utf8(svg).unwrap().contains("hashing ("));
}

#[test]
#[ignore = "run by phases_are_spans_only_while_they_are_switched_on"]
fn spans() {
    use tracing_subscriber::fmt::format::FmtSpan;
    let format = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    format.with_span_events(FmtSpan::CLOSE).init();
    for enabled in [false, true, false] {
        tracing_utils::set_spans_enabled(enabled);
        assert_eq!(tracing_utils::are_spans_enabled(), enabled);
        println!("-- enabled: {enabled}");
        for chunk in ChunkStream::new(&data(3_000_000)[..], None, None, None).unwrap() {
            compression::compress_zstd(&chunk.unwrap().payload, None).unwrap();
        }
    }
}

#[test]
fn phases_are_spans_only_while_they_are_switched_on() {
    let output = run("spans", &[]);
    let parts: Vec<&str> = output.split("-- enabled: ").skip(1).collect();
    assert_eq!(parts.len(), 3, "{output}");
    for part in parts {
        for phase in Phase::ALL {
            let ended = part.lines().any(|line| line.contains(&format!("TRACE {phase}: ")));
            assert_eq!(ended, part.starts_with("true"), "{phase}: {output}");
        }
    }
}

#[test]
fn a_folded_file_that_cannot_be_made_is_an_error() {
    let error = profiling::setup_flamegraph_in("/nowhere/at/all").unwrap_err();
    assert_eq!(error.code(), "flamegraph_file_failed");
    assert!(std::error::Error::source(&error).is_some());
}

/// Installs Prometheus, and returns a function that renders what it would answer.
fn prometheus() -> impl Fn() -> String {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(full("chunker.chunk_latency_seconds"), buckets::CHUNK_LATENCY)
        .and_then(|it| {
            it.set_buckets_for_metric(full("chunker.hash_latency_seconds"), buckets::HASH_LATENCY)
        });
    let buckets = buckets::COMPRESSION_LATENCY;
    let builder = builder
        .and_then(|it| it.set_buckets_for_metric(full("chunker.compression_latency_seconds"), buckets))
        .unwrap();
    let recorder = builder.install_recorder().unwrap();
    move || recorder.render()
}

#[test]
#[ignore = "run by a_scrape_has_what_was_done"]
fn scrape() {
    chunk(10); // before there is a recorder
    let scrape = prometheus();
    init_metrics();
    chunk(90);
    chunk_data(&[], Some(1), None, None).unwrap_err();
    let compressed = compression::compress_zstd(&data(100_000), None).unwrap();
    let text = scrape();
    println!("{text}");
    let compressed = compressed.len();
    for line in [
        "chunker_chunks_emitted_total 100".to_owned(),
        "chunker_bytes_processed_total 6400".to_owned(),
        "chunker_chunk_size_bytes_count 100".to_owned(),
        "chunker_hash_operations_total{algorithm=\"blake3\"} 100".to_owned(),
        "chunker_hash_operations_total{algorithm=\"sha256\"} 0".to_owned(),
        "chunker_hash_bytes_total{algorithm=\"blake3\"} 6400".to_owned(),
        "chunker_errors_total{kind=\"invalid_chunking_options\"} 1".to_owned(),
        "chunker_compression_bytes_in_total{codec=\"zstd\"} 100000".to_owned(),
        format!("chunker_compression_bytes_out_total{{codec=\"zstd\"}} {compressed}"),
        "chunker_compression_latency_seconds_count{codec=\"zstd\"} 1".to_owned(),
        "chunker_compression_ratio_count{codec=\"zstd\"} 1".to_owned(),
        "# TYPE chunker_chunk_latency_seconds histogram".to_owned(),
        "# TYPE chunker_hash_latency_seconds histogram".to_owned(),
        "# HELP chunker_chunks_emitted_total Chunks with digests.".to_owned(),
    ] {
        assert!(text.lines().any(|found| found.trim() == line), "{line}");
    }
    for bound in ["0.0001", "0.1", "+Inf"] {
        assert!(text.contains(&format!("chunker_chunk_latency_seconds_bucket{{le=\"{bound}\"}}")), "{bound}");
    }
}

#[test]
fn a_scrape_has_what_was_done() {
    let output = run("scrape", &[]);
    println!("{output}");
}

/// Returns the words of `text` that name a metric of the library as Prometheus writes it.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("chunker_")).collect()
}

/// Returns a metric's name and description in Prometheus, from its row of the catalogue.
fn help_of(row: &str) -> (String, String) {
    let row = row.replace(['`', '|'], " ");
    let mut words = row.split_whitespace();
    let name = words.next().unwrap().replace('.', "_");
    let labels = ["counter", "histogram", "algorithm", "codec", "kind", "operation"];
    let measures: Vec<_> = words.skip_while(|word| labels.contains(word)).collect();
    let text = measures.join(" ");
    let (first, rest) = text.split_at(1);
    (name, format!("{}{rest}.", first.to_uppercase()))
}

#[test]
#[ignore = "run by the_dashboard_shows_every_metric_that_is_documented_and_scraped"]
fn everything() {
    let scrape = prometheus();
    init_metrics();
    metrics_utils::set_latency_threshold(metrics_utils::Operation::Hash, Some(Duration::ZERO));
    chunk(64 * 150);
    chunk_data(&[], Some(1), None, None).unwrap_err();
    let compressed = compression::compress_zstd(&data(100_000), None).unwrap();
    compression::decompress_zstd(&compressed).unwrap();
    println!("-- {}", scrape());
}

#[test]
fn the_dashboard_shows_every_metric_that_is_documented_and_scraped() {
    let output = run("everything", &[]);
    let (_, scraped) = output.split_once("-- ").unwrap();
    let types = || scraped.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let of_scrape: BTreeSet<&str> = types().filter_map(|line| line.split(' ').next()).collect();

    let catalogue = include_str!("../../src/observability/metrics.md");
    assert!(include_str!("../../docs/observability.md").contains(catalogue));
    let help: BTreeMap<_, _> = catalogue.lines().skip(2).map(help_of).collect();
    assert!(help.keys().map(String::as_str).eq(of_scrape.iter().copied()));
    let described = scraped.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let described: BTreeMap<_, _> =
        described.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    assert_eq!(described, help);

    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/grafana-dashboard.json")).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let series = metrics_in(target["expr"].as_str().unwrap());
            assert!(!series.is_empty(), "{target}");
            for name in series {
                // Only what has buckets is a histogram to Prometheus; the others are summaries.
                let metric = name.strip_suffix("_bucket").unwrap_or(name);
                let kind = types().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
                assert_eq!(kind == Some("histogram"), metric != name, "{target}");
                shown.insert(metric);
            }
        }
    }
    assert_eq!(shown, of_scrape);
}

#[test]
#[ignore = "run by samples_of_sizes_keep_the_totals"]
fn sampled_sizes() {
    let scrape = prometheus();
    init_metrics();
    (0..10).for_each(|_| chunk(1000));
    assert_eq!(totals().chunks.values().map(|chunks| chunks.count).sum::<u64>(), 10_000);
    let text = scrape();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("chunker_chunks_emitted_total"), 10_000.0);
    let count = value("chunker_chunk_size_bytes_count");
    assert!((count - 10_000.0).abs() < 7.0 && count % 7.0 == 0.0, "a multiple of 7 near all: {count}");
    assert_eq!(value("chunker_chunk_size_bytes_sum"), 64.0 * count);
}

#[test]
fn samples_of_sizes_keep_the_totals() {
    run("sampled_sizes", &[("CHUNKER_METRICS_SAMPLE_RATE", "7")]);
}

static OPERATION: LazyLock<metrics::Histogram> = LazyLock::new(|| metrics::histogram!("operation_seconds"));

fn timed(duration: Duration) {
    let answer = time_operation!(&OPERATION, 0.005, {
        std::thread::sleep(duration);
        42
    });
    assert_eq!(answer, 42);
}

#[test]
#[ignore = "run by thresholds_warn_once_in_a_window"]
fn thresholds() {
    assert!(tracing_utils::init_tracing(tracing::Level::WARN));
    let scrape = prometheus();
    init_metrics();
    timed(Duration::from_millis(6));
    (0..99).for_each(|_| timed(Duration::ZERO));
    println!("-- one of a hundred is slow");
    (0..5).for_each(|_| timed(Duration::from_millis(6)));
    println!("-- six are");
    let zero = Some(Duration::ZERO);
    metrics_utils::set_latency_threshold(metrics_utils::Operation::Hash, zero);
    chunk(64 * 150);
    println!("-- every hash is");
    drop(LatencyGuard::new(&OPERATION).with_threshold(f64::INFINITY));
    let text = scrape();
    assert!(text.contains("operation_seconds_count 106"), "{text}");
    assert!(text.contains("chunker_latency_threshold_exceeded_total{operation=\"hash\"} 1"), "{text}");
}

#[test]
fn thresholds_warn_once_in_a_window() {
    let output = run("thresholds", &[]);
    let warnings: Vec<usize> =
        output.split("-- ").map(|part| part.matches("latency_threshold_exceeded").count()).collect();
    assert_eq!(warnings, [0, 1, 1, 0], "{output}");
}

#[test]
fn the_bucket_tables_are_those_of_the_design() {
    assert_eq!(buckets::CHUNK_LATENCY, [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]);
    assert_eq!(
        buckets::COMPRESSION_LATENCY,
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    );
    assert_eq!(buckets::HASH_LATENCY, [0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01, 0.1]);
}
