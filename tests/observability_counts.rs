//! Counts are exact: whatever threads, streams, drops and errors there are, and whenever the recorder
//! is installed. One test: recorders are the process's.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use chunker::Profile;
use chunker::chunking::{
    AsyncChunkStream, ChunkPipeline, ChunkStream, DescriptorPipeline, HashAlgorithm, PayloadChunker,
    PushChunker, chunk_batch, chunk_bytes, chunk_data_with_hash, chunk_descriptors,
    chunk_descriptors_parallel, chunk_slices,
};
use chunker::compression::{
    Codec, CompressionScratch, Decoder, DecompressionLimits, Encoder, PushDecoder, compress, decompress,
};
use chunker::hashing::Hasher;
use chunker::metrics_utils::{CodecTally, Tally, Totals, flush_metrics, init_metrics, record_chunk, totals};
use futures::StreamExt as _;
use futures::io::Cursor;
use metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder};
use metrics::{SharedString, Unit};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};

/// A recorder that keeps all it is given.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, Arc<Series>>>>);

#[derive(Default)]
struct Series {
    count: AtomicU64,
    values: Mutex<Vec<f64>>,
}

impl Ledger {
    /// Returns the series of a name with labels, such as `chunker.errors_total{kind=io_error}`.
    fn series(&self, name: &str) -> Arc<Series> {
        self.0.lock().unwrap().entry(name.to_owned()).or_default().clone()
    }

    fn of_key(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        if labels.is_empty() {
            return self.series(key.name());
        }
        self.series(&format!("{}{{{}}}", key.name(), labels.join(",")))
    }

    fn count(&self, name: &str) -> u64 {
        self.series(name).count.load(Ordering::SeqCst)
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.series(name).values.lock().unwrap().clone()
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.count.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, _value: u64) {
        unreachable!("the library increments");
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.values.lock().unwrap().push(value);
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of_key(key))
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of_key(key))
    }
}

/// What a thread did, counted by hand.
#[derive(Clone, Debug, Default)]
struct Truth {
    lengths: Vec<usize>,
    /// How many of them the library did not cut on the thread that counts them.
    untimed: usize,
    /// By algorithm, `other` for those that were recorded by hand.
    chunks: BTreeMap<&'static str, Tally>,
    digests: BTreeMap<&'static str, Tally>,
    compressed: BTreeMap<&'static str, CodecTally>,
    decompressed: BTreeMap<&'static str, CodecTally>,
    errors: BTreeMap<&'static str, u64>,
}

impl Truth {
    fn digest(&mut self, hash: HashAlgorithm, length: usize) {
        add(&mut self.digests, hash.name(), Tally { count: 1, bytes: length as u64 });
    }

    fn chunk(&mut self, hash: HashAlgorithm, length: usize) {
        self.chunk_of(hash.name(), length);
    }

    fn chunk_of(&mut self, algorithm: &'static str, length: usize) {
        self.lengths.push(length);
        add(&mut self.chunks, algorithm, Tally { count: 1, bytes: length as u64 });
    }

    fn compressed(&mut self, codec: Codec, bytes_in: usize, bytes_out: usize) {
        add_codec(&mut self.compressed, codec.name(), bytes_in as u64, bytes_out as u64);
    }

    fn decompressed(&mut self, codec: Codec, bytes_in: usize, bytes_out: usize) {
        add_codec(&mut self.decompressed, codec.name(), bytes_in as u64, bytes_out as u64);
    }

    fn error(&mut self, code: &'static str) {
        *self.errors.entry(code).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        self.lengths.extend(&other.lengths);
        self.untimed += other.untimed;
        other.chunks.iter().for_each(|(name, &tally)| add(&mut self.chunks, name, tally));
        other.digests.iter().for_each(|(name, &tally)| add(&mut self.digests, name, tally));
        for (own, others) in
            [(&mut self.compressed, &other.compressed), (&mut self.decompressed, &other.decompressed)]
        {
            others.iter().for_each(|(name, tally)| add_codec(own, name, tally.bytes_in, tally.bytes_out));
        }
        for (code, count) in &other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }

    fn bytes(&self) -> u64 {
        self.lengths.iter().map(|&length| length as u64).sum()
    }
}

fn add(tallies: &mut BTreeMap<&'static str, Tally>, name: &'static str, more: Tally) {
    let own = tallies.entry(name).or_default();
    *own = *own + more;
}

fn add_codec(
    tallies: &mut BTreeMap<&'static str, CodecTally>,
    codec: &'static str,
    bytes_in: u64,
    bytes_out: u64,
) {
    let own = tallies.entry(codec).or_default();
    own.bytes_in += bytes_in;
    own.bytes_out += bytes_out;
}

/// A reader that fails after its data.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Err(std::io::Error::other("broken"));
        }
        self.0.read(space)
    }
}

fn profile() -> Profile {
    Profile::new(64, 256, 1024).unwrap()
}

/// Does one thing of many that the library can do.
fn act(random: &mut ChaCha8Rng, truth: &mut Truth) {
    let mut data = vec![0; usize::try_from(random.next_u32() % 40_000).unwrap()];
    random.fill_bytes(&mut data);
    let hash = HashAlgorithm::ALL[random.next_u32() as usize % 2];
    let some = random.next_u32() as usize % 40;
    let data = &data[..];
    match random.next_u32() % 19 {
        0 => {
            let chunks = chunk_data_with_hash(data, Some(64), Some(256), Some(1024), hash).unwrap();
            chunks.iter().for_each(|chunk| truth.chunk(hash, chunk.length));
        }
        1 => {
            let chunks = chunk_descriptors(data, profile().hash(hash));
            chunks.iter().for_each(|chunk| truth.chunk(hash, chunk.length));
        }
        2 => {
            let chunks = chunk_bytes(&data.to_vec().into(), profile().hash(hash));
            chunks.iter().for_each(|chunk| truth.chunk(hash, chunk.length));
        }
        3 => {
            // dropped early, and so is its clone
            let mut chunks = chunk_slices(data, profile().hash(hash));
            chunks.by_ref().take(some).for_each(|chunk| truth.chunk(hash, chunk.payload.len()));
            chunks.clone().take(some / 2).for_each(|chunk| truth.chunk(hash, chunk.payload.len()));
        }
        4 => {
            let stream = ChunkStream::with_profile(data, profile().hash(hash)).unwrap();
            stream.for_each(|chunk| truth.chunk(hash, chunk.unwrap().length));
        }
        5 => {
            let stream = ChunkStream::with_profile(data, profile().hash(hash)).unwrap();
            stream.take(some).for_each(|chunk| truth.chunk(hash, chunk.unwrap().length));
        }
        6 => {
            for chunk in ChunkStream::with_profile(Failing(data), profile().hash(hash)).unwrap() {
                match chunk {
                    Ok(chunk) => truth.chunk(hash, chunk.length),
                    Err(error) => truth.error(error.code()),
                }
            }
        }
        7 => {
            // begun here, ended on another thread
            let mut stream = ChunkStream::with_profile(data, profile().hash(hash)).unwrap();
            stream.by_ref().take(some).for_each(|chunk| truth.chunk(hash, chunk.unwrap().length));
            let rest: Vec<usize> = std::thread::scope(|scope| {
                scope.spawn(|| stream.map(|chunk| chunk.unwrap().length).collect()).join().unwrap()
            });
            rest.into_iter().for_each(|length| truth.chunk(hash, length));
        }
        8 => {
            let mut chunker = PushChunker::new(profile().hash(hash));
            for piece in data.chunks(some + 1) {
                chunker.feed(piece).iter().for_each(|chunk| truth.chunk(hash, chunk.length));
            }
            let twin = chunker.clone();
            for chunker in [chunker, twin] {
                chunker.finish().iter().for_each(|chunk| truth.chunk(hash, chunk.length));
            }
        }
        9 => {
            let mut chunker = PayloadChunker::new(profile().hash(hash));
            chunker.feed(data).iter().for_each(|chunk| truth.chunk(hash, chunk.length)); // and dropped
        }
        10 => {
            let stream = AsyncChunkStream::new(Cursor::new(data), profile().hash(hash)).unwrap();
            let chunks: Vec<_> = futures::executor::block_on(stream.take(some * 4).collect());
            chunks.into_iter().for_each(|chunk| truth.chunk(hash, chunk.unwrap().length));
        }
        11 => {
            let batch = chunk_batch(data.chunks(10_000), profile().hash(hash));
            batch.results.iter().flatten().flatten().for_each(|chunk| truth.chunk(hash, chunk.length));
        }
        12 => {
            assert_eq!(hash.digest(data).len(), 32);
            truth.digest(hash, data.len());
            assert_eq!(chunker::hashing::sha256_hash(data).len(), 64);
            truth.digest(HashAlgorithm::Sha256, data.len());
            let mut hasher = Hasher::new(hash);
            data.chunks(some + 1).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finalize_reset(), hash.digest(data));
            hasher.update(data); // of which no digest is asked for
            assert_eq!(hasher.clone().finalize(), hash.digest(data));
            (0..4).for_each(|_| truth.digest(hash, data.len()));
        }
        13 => {
            for error in [
                chunk_data_with_hash(data, Some(1), None, None, hash).unwrap_err(),
                ChunkStream::new(data, Some(3), None, None).unwrap_err(),
                ChunkStream::new(data, None, None, None).unwrap().within_buffer_limit(1).unwrap_err(),
            ] {
                truth.error(error.code());
            }
        }
        14 => {
            let mut scratch = CompressionScratch::new();
            for &codec in Codec::ALL {
                // one stream to its end, and one that is dropped early
                let data = data.repeat(if some == 0 { 60 } else { 1 });
                let mut written = Vec::new();
                let mut encoder = Encoder::new(codec, Some(1), &mut written).unwrap();
                data.chunks(1000).for_each(|piece| encoder.write_all(piece).unwrap());
                encoder.finish().unwrap();
                let mut cut = Vec::new();
                Encoder::new(codec, Some(1), &mut cut).unwrap().write_all(&data).unwrap();
                truth.compressed(codec, 2 * data.len(), written.len() + cut.len());
            }
            for codec in Codec::ALL {
                let compressed = compress(*codec, data, None).unwrap();
                let again = scratch.compress(*codec, data, None).unwrap();
                truth.compressed(*codec, 2 * data.len(), compressed.len() + again.len());
                let limits = DecompressionLimits::default();
                assert_eq!(decompress(*codec, &compressed, limits).unwrap(), data);
                assert_eq!(scratch.decompress(*codec, &compressed, limits).unwrap(), data);
                let mut whole = Vec::new();
                Decoder::new(*codec, &compressed[..], limits).unwrap().read_to_end(&mut whole).unwrap();
                assert_eq!(pushed(*codec, &compressed, some + 1), data);
                truth.decompressed(*codec, 4 * compressed.len(), 4 * data.len());
                let error = compress(*codec, data, Some(1000)).unwrap_err();
                truth.error(error.code());
                let error = decompress(*codec, &[], limits).unwrap_err();
                truth.error(error.code());
                let mut nothing = Decoder::new(*codec, &[][..], limits).unwrap();
                assert!(nothing.read(&mut [0]).is_err());
                assert_eq!(nothing.read(&mut [0]).unwrap(), 0, "an error comes once");
                truth.error(error.code());
                let error = Decoder::new(*codec, &[][..], limits.with_max_window_log(9)).unwrap_err();
                truth.error(error.code());
            }
        }
        15 => {
            let many = data.repeat(1 + (1 << 20) / data.len().max(1));
            let chunks = chunk_descriptors_parallel(&many, profile().hash(hash));
            chunks.iter().for_each(|chunk| truth.chunk(hash, chunk.length));
            truth.untimed += if many.len() < 1 << 20 { 0 } else { chunks.len() };
        }
        16 => {
            let reader = std::io::Cursor::new(data.to_vec());
            for chunk in ChunkPipeline::new(reader, profile().hash(hash)).unwrap() {
                truth.chunk(hash, chunk.unwrap().length);
                truth.untimed += 1;
            }
        }
        17 => {
            let reader = std::io::Cursor::new(data.to_vec());
            for chunk in DescriptorPipeline::new(reader, profile().hash(hash)).unwrap() {
                truth.chunk(hash, chunk.unwrap().length);
                truth.untimed += 1;
            }
        }
        _ => {
            record_chunk(data.len());
            truth.chunk_of("other", data.len());
            truth.untimed += 1;
        }
    }
}

fn pushed(codec: Codec, compressed: &[u8], piece: usize) -> Vec<u8> {
    let mut decoder = PushDecoder::new(codec, DecompressionLimits::default()).unwrap();
    let (mut output, mut buffer) = (Vec::new(), [0; 4096]);
    let mut drain = |decoder: &mut PushDecoder| {
        while let length @ 1.. = decoder.read(&mut buffer).unwrap() {
            output.extend_from_slice(&buffer[..length]);
        }
    };
    for piece in compressed.chunks(piece) {
        decoder.push(piece).unwrap();
        drain(&mut decoder);
    }
    decoder.finish();
    drain(&mut decoder);
    output
}

fn expected_totals(truth: &Truth) -> Totals {
    let mut expected = Totals::default();
    expected.chunks.clone_from(&truth.chunks);
    expected.digests.clone_from(&truth.digests);
    for hash in HashAlgorithm::ALL {
        expected.chunks.entry(hash.name()).or_default();
        expected.digests.entry(hash.name()).or_default();
    }
    expected.compression.clone_from(&truth.compressed);
    expected.decompression.clone_from(&truth.decompressed);
    expected.errors.clone_from(&truth.errors);
    expected
}

const THREADS: u64 = 10;
const ACTS: usize = 120;

#[test]
fn totals_are_those_of_the_chunks_that_were_returned() {
    let ledger = Ledger::default();
    let mut truth = Truth::default();

    // Without a recorder; then ten threads, amid whose work one is installed.
    let mut random = ChaCha8Rng::seed_from_u64(0);
    (0..50).for_each(|_| act(&mut random, &mut truth));
    flush_metrics();
    assert_eq!(totals(), expected_totals(&truth), "before there is a recorder");

    let amid = Barrier::new(usize::try_from(THREADS).unwrap() + 1);
    let work = |seed| {
        let (mut random, mut truth) = (ChaCha8Rng::seed_from_u64(seed), Truth::default());
        for count in 0..ACTS {
            if count == ACTS / 2 {
                amid.wait();
            }
            act(&mut random, &mut truth);
        }
        truth // what record_chunk gathered is delivered at the end of the thread
    };
    let truths: Vec<Truth> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS).map(|seed| scope.spawn(move || work(seed))).collect();
        amid.wait();
        metrics::set_global_recorder(ledger.clone()).unwrap_or_else(|_| unreachable!("it is the first"));
        init_metrics();
        init_metrics(); // once is enough, twice is no more
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    truths.iter().for_each(|other| truth.add(other));
    assert_eq!(totals(), expected_totals(&truth), "after ten threads");

    // Threads that do not end.
    let truths: Vec<Truth> = (100..140u64)
        .into_par_iter()
        .map(|seed| {
            let (mut random, mut truth) = (ChaCha8Rng::seed_from_u64(seed), Truth::default());
            (0..20).for_each(|_| act(&mut random, &mut truth));
            flush_metrics(); // what record_chunk has gathered; the library's own needs none
            truth
        })
        .collect();
    truths.iter().for_each(|other| truth.add(other));
    let expected = expected_totals(&truth);
    assert_eq!(totals(), expected, "after rayon");

    // The recorder has the same, and every length.
    assert_eq!(ledger.count("chunker.chunks_emitted_total"), truth.lengths.len() as u64);
    assert_eq!(ledger.count("chunker.bytes_processed_total"), truth.bytes());
    for name in HashAlgorithm::ALL.map(HashAlgorithm::name) {
        let Tally { count, bytes } = expected.chunks[name] + expected.digests[name];
        assert_eq!(ledger.count(&format!("chunker.hash_operations_total{{algorithm={name}}}")), count);
        assert_eq!(ledger.count(&format!("chunker.hash_bytes_total{{algorithm={name}}}")), bytes);
    }
    for (direction, tallies) in [("compression", &truth.compressed), ("decompression", &truth.decompressed)] {
        for (codec, &CodecTally { bytes_in, bytes_out }) in tallies {
            let count =
                |end: &str| ledger.count(&format!("chunker.{direction}_bytes_{end}_total{{codec={codec}}}"));
            assert_eq!((count("in"), count("out")), (bytes_in, bytes_out), "{direction} by {codec}");
        }
    }
    for (kind, &count) in &truth.errors {
        assert_eq!(ledger.count(&format!("chunker.errors_total{{kind={kind}}}")), count, "{kind}");
    }
    let sizes = ledger.values("chunker.chunk_size_bytes");
    assert_eq!(sizes.len(), truth.lengths.len());
    let sum: f64 = sizes.iter().sum();
    assert!((sum / truth.bytes() as f64 - 1.0).abs() < 0.01, "those from before are within 1 %");

    // One chunk of 64 is timed, of those that a thread cuts for itself.
    let timed = ledger.values("chunker.chunk_latency_seconds").len();
    let hashed: usize = HashAlgorithm::ALL
        .iter()
        .map(|hash| ledger.values(&format!("chunker.hash_latency_seconds{{algorithm={hash}}}")).len())
        .sum();
    assert!(hashed >= timed);
    let of_all = (truth.lengths.len() - truth.untimed) / timed;
    assert!((60..=68).contains(&of_all), "one of {of_all}");
}
