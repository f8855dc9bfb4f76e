//! Laws of chunks that are read, hashed and worked on by many threads: they are those of a stream,
//! in order, whatever the reader and the closure do.

use crate::noise::noise;
use chunker::Profile;
use chunker::chunking::{
    ChunkDescriptor, ChunkMetadata, ChunkPipeline, ChunkStream, ChunkingError, DescriptorPipeline,
    HashAlgorithm, chunk_batch, chunk_batch_parallel, chunk_descriptors,
};
use proptest::prelude::*;
use rayon::prelude::*;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

fn profile() -> Profile {
    Profile::new(64, 256, 1024).expect("valid sizes")
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

/// Gives at most `step` bytes a read, and after `good` reads fails or panics.
struct Script {
    data: Vec<u8>,
    position: usize,
    step: usize,
    good: usize,
    panics: bool,
}

impl Script {
    fn of(data: Vec<u8>, step: usize) -> Self {
        Self { data, position: 0, step, good: usize::MAX, panics: false }
    }
}

impl Read for Script {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.good == 0 {
            assert!(!self.panics, "the reader panics");
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.good -= 1;
        let step = self.step.min(space.len());
        let read = (&self.data[self.position..]).read(&mut space[..step])?;
        self.position += read;
        Ok(read)
    }
}

/// What a stream gives before its first error, and what that says: its offset.
fn streamed(reader: impl Read) -> (Vec<ChunkMetadata>, Option<String>) {
    split(ChunkStream::with_profile(reader, profile().hash(HashAlgorithm::Blake3)).expect("valid profile"))
}

fn split<T>(chunks: impl Iterator<Item = Result<T, ChunkingError>>) -> (Vec<T>, Option<String>) {
    let mut failed = None;
    let until_failed =
        |chunk: Result<_, ChunkingError>| chunk.inspect_err(|error| failed = Some(error.to_string())).ok();
    let chunks = chunks.map_while(until_failed).collect();
    (chunks, failed)
}

fn piped(reader: impl Read + Send + 'static) -> (Vec<ChunkMetadata>, Option<String>) {
    split(ChunkPipeline::new(reader, profile().hash(HashAlgorithm::Blake3)).expect("valid profile"))
}

fn piped_in(
    pool: rayon::ThreadPool,
    reader: impl Read + Send + 'static,
) -> (Vec<ChunkMetadata>, Option<String>) {
    let profile = profile().hash(HashAlgorithm::Blake3);
    split(ChunkPipeline::in_pool(Arc::new(pool), reader, profile, 0, |chunk| chunk).expect("valid profile"))
}

fn described(reader: impl Read + Send + 'static) -> (Vec<ChunkDescriptor>, Option<String>) {
    split(DescriptorPipeline::new(reader, profile().hash(HashAlgorithm::Blake3)).expect("valid profile"))
}

fn described_in(
    pool: rayon::ThreadPool,
    reader: impl Read + Send + 'static,
) -> (Vec<ChunkDescriptor>, Option<String>) {
    let profile = profile().hash(HashAlgorithm::Blake3);
    split(DescriptorPipeline::in_pool(Arc::new(pool), reader, profile, 0).expect("valid profile"))
}

fn without_payloads(
    (chunks, failed): (Vec<ChunkMetadata>, Option<String>),
) -> (Vec<ChunkDescriptor>, Option<String>) {
    (chunks.iter().map(ChunkMetadata::descriptor).collect(), failed)
}

proptest! {
    #[test]
    fn any_reader_and_any_error_give_what_a_stream_gives(
        length in 0..40_000usize,
        step in 1..3000usize,
        good in prop_oneof![Just(usize::MAX), 0..60usize],
        threads in 1..=8usize,
    ) {
        let script = || Script { good, ..Script::of(noise(length), step) };
        let expected = streamed(script());
        prop_assert_eq!(pool(threads).install(|| piped(script())), expected.clone());
        prop_assert_eq!(piped_in(pool(threads), script()), expected.clone());
        prop_assert_eq!(piped(script()), expected.clone());
        let expected = without_payloads(expected);
        prop_assert_eq!(pool(threads).install(|| described(script())), expected.clone());
        prop_assert_eq!(described_in(pool(threads), script()), expected.clone());
        prop_assert_eq!(described(script()), expected);
    }
}

/// Cycles through reads of these lengths.
struct Steps {
    data: io::Cursor<Vec<u8>>,
    steps: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Read for Steps {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let step = self.steps.next().unwrap_or(1).min(space.len());
        self.data.read(&mut space[..step])
    }
}

#[test]
fn reads_of_any_length_give_the_chunks_of_the_whole() {
    let data = noise(6_300_001);
    let zeros = vec![0; 2_500_000];
    let half = 1 << 19; // of a read
    let steps = [
        vec![usize::MAX],
        vec![half],
        vec![half - 1],
        vec![100_000],
        vec![usize::MAX, 1, half - 1, 3, half, 700_001, 2],
        vec![40_001, 17],
    ];
    let sizes = [(64, 256, 1024), (4 << 10, 16 << 10, 64 << 10), (256 << 10, 1 << 20, 4 << 20)];
    for (min, avg, max) in sizes {
        for hash in [HashAlgorithm::Sha256, HashAlgorithm::Blake3] {
            let profile = Profile::new(min, avg, max).expect("valid sizes").hash(hash);
            for data in [&data, &zeros] {
                let expected = chunk_descriptors(data, profile);
                for steps in &steps {
                    let reader = || Steps {
                        data: io::Cursor::new(data.clone()),
                        steps: steps.clone().into_iter().cycle(),
                    };
                    let found = DescriptorPipeline::new(reader(), profile).unwrap();
                    assert!(found.map(Result::unwrap).eq(expected.iter().copied()), "{steps:?}");
                    let found = ChunkPipeline::new(reader(), profile).unwrap();
                    let found = found.map(|chunk| chunk.unwrap().descriptor());
                    assert!(found.eq(expected.iter().copied()), "{steps:?}, with payloads");
                }
            }
        }
    }
}

#[test]
fn an_error_comes_once_and_reading_resumes_at_the_last_cut() {
    let data = noise(20_000);
    let failing = Script { good: 7, ..Script::of(data.clone(), 1000) };
    let mut pipeline = ChunkPipeline::new(failing, profile().hash(HashAlgorithm::Blake3)).unwrap();
    let mut chunks: Vec<_> = pipeline.by_ref().map_while(Result::ok).collect();
    assert!(pipeline.next().is_none(), "the error came once");
    let cut: usize = chunks.iter().map(|chunk| chunk.length).sum();
    let rest = Script::of(data[cut..].to_vec(), 1000);
    let resumed =
        ChunkPipeline::resume_at(rest, profile().hash(HashAlgorithm::Blake3), cut as u64, |chunk| chunk)
            .unwrap();
    chunks.extend(resumed.map(Result::unwrap));
    assert_eq!(chunks, streamed(data.as_slice()).0);

    let failing = Script { good: 7, ..Script::of(data.clone(), 1000) };
    let mut pipeline = DescriptorPipeline::new(failing, profile().hash(HashAlgorithm::Blake3)).unwrap();
    let mut described: Vec<_> = pipeline.by_ref().map_while(Result::ok).collect();
    assert!(pipeline.next().is_none(), "the error came once");
    let rest = Script::of(data[cut..].to_vec(), 1000);
    let profile = profile().hash(HashAlgorithm::Blake3);
    let resumed = DescriptorPipeline::resume_at(rest, profile, cut as u64).unwrap();
    described.extend(resumed.map(Result::unwrap));
    assert!(described.into_iter().eq(chunks.iter().map(ChunkMetadata::descriptor)));
}

#[test]
fn results_come_in_order_though_the_first_take_longest() {
    let data = noise(30_000);
    let reader = Script::of(data.clone(), 2000);
    let slow_first = |chunk: ChunkMetadata| {
        std::thread::sleep(Duration::from_micros(30_000u64.saturating_sub(chunk.offset) / 10));
        chunk.offset
    };
    let pipeline = ChunkPipeline::mapped(reader, profile().hash(HashAlgorithm::Sha256), slow_first).unwrap();
    let offsets: Vec<_> = pool(4).install(|| pipeline.map(Result::unwrap).collect());
    assert!(offsets.into_iter().eq(streamed(data.as_slice()).0.into_iter().map(|chunk| chunk.offset)));
}

#[test]
fn pipelines_within_the_only_thread_of_a_pool_end() {
    let data = noise(50_000);
    let expected = streamed(data.as_slice());
    pool(1).install(|| {
        (0..4).into_par_iter().for_each(|_| assert_eq!(piped(Script::of(data.clone(), 777)), expected));
    });
}

/// Waits for its sender before each read.
struct Waiting(Receiver<()>, Script);

impl Read for Waiting {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        self.1.read(space)
    }
}

#[test]
fn a_reader_that_waits_keeps_no_thread_of_a_named_pool_from_other_work() {
    let data = noise(50_000);
    let expected = streamed(data.as_slice());
    let only = Arc::new(pool(1));
    let piped = |reader: Box<dyn Read + Send>| {
        let profile = profile().hash(HashAlgorithm::Blake3);
        split(ChunkPipeline::in_pool(Arc::clone(&only), reader, profile, 0, |chunk| chunk).unwrap())
    };
    std::thread::scope(|scope| {
        let waits = [(); 3].map(|()| {
            let (sender, receiver) = channel();
            sender.send(()).unwrap();
            let reader = Box::new(Waiting(receiver, Script::of(data.clone(), 5000)));
            (sender, scope.spawn(|| piped(reader)))
        });
        assert_eq!(piped(Box::new(Script::of(data.clone(), 777))), expected);
        for (sender, thread) in waits {
            drop(sender);
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

#[test]
fn a_panic_of_the_closure_in_a_named_pool_comes_from_next() {
    let map = |chunk: ChunkMetadata| {
        assert!(chunk.offset < 20_000, "the closure panics");
        chunk.offset
    };
    let reader = Script::of(noise(50_000), 1000);
    let mut pipeline = ChunkPipeline::in_pool(Arc::new(pool(2)), reader, profile(), 0, map).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| pipeline.by_ref().for_each(drop)));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the closure panics");
    assert!(pipeline.next().is_none());
}

/// Tells how often it was read, and that it was dropped.
struct Watched {
    reads: Arc<AtomicUsize>,
    dropped: Sender<()>,
}

impl Read for Watched {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        space.fill(7);
        Ok(space.len())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.dropped.send(());
    }
}

fn watched() -> (Watched, Arc<AtomicUsize>, Receiver<()>) {
    let (dropped, is_dropped) = channel();
    let reads = Arc::new(AtomicUsize::new(0));
    (Watched { reads: Arc::clone(&reads), dropped }, reads, is_dropped)
}

#[test]
fn reading_stops_while_nobody_takes_chunks() {
    let profile = profile().hash(HashAlgorithm::Blake3);
    reads_ahead_within_the_bound(|reader| ChunkPipeline::new(reader, profile).unwrap());
    reads_ahead_within_the_bound(|reader| DescriptorPipeline::new(reader, profile).unwrap());
}

fn reads_ahead_within_the_bound<P: Iterator>(pipeline: impl FnOnce(Watched) -> P) {
    let (reader, reads, is_dropped) = watched();
    let bound = 2 * rayon::current_num_threads() + 2;
    let mut pipeline = pipeline(reader);
    assert!(pipeline.next().is_some());
    std::thread::sleep(Duration::from_millis(200));
    let read = reads.load(Ordering::SeqCst);
    assert!((1..=bound).contains(&read), "{read} reads, at most {bound} expected");
    drop(pipeline);
    is_dropped.recv_timeout(Duration::from_secs(60)).expect("the reader is dropped with the pipeline");
}

#[test]
fn a_pipeline_that_is_dropped_ends_its_threads_and_its_work() {
    for taken in [0, 1, 1000, 5000] {
        let (reader, _, is_dropped) = watched();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let map = move |chunk: ChunkMetadata| (Arc::clone(&held), chunk.length);
        let pipeline = ChunkPipeline::mapped(reader, profile().hash(HashAlgorithm::Blake3), map).unwrap();
        assert_eq!(pipeline.take(taken).filter(Result::is_ok).count(), taken);
        is_dropped.recv_timeout(Duration::from_secs(60)).expect("the reader is dropped");
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while Arc::strong_count(&alive) > 1 {
            assert!(std::time::Instant::now() < deadline, "the closure is dropped");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_panic_of_the_closure_comes_from_next_and_the_iterator_ends() {
    for threads in [1, 4] {
        pool(threads).install(|| {
            let reader = Script::of(noise(50_000), 1000);
            let map = |chunk: ChunkMetadata| {
                assert!(chunk.offset < 20_000, "the closure panics");
                chunk.offset
            };
            let mut pipeline =
                ChunkPipeline::mapped(reader, profile().hash(HashAlgorithm::Blake3), map).unwrap();
            let mut taken = 0;
            let panic = catch_unwind(AssertUnwindSafe(|| {
                for offset in pipeline.by_ref() {
                    taken = offset.unwrap();
                }
            }));
            assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the closure panics");
            assert!(taken < 20_000);
            assert!(pipeline.next().is_none());
        });
    }
}

#[test]
fn a_panic_of_the_reader_comes_from_next_after_the_chunks_before_it() {
    let script = |panics| Script { good: 20, panics, ..Script::of(noise(50_000), 1000) };
    let mut pipeline = ChunkPipeline::new(script(true), profile().hash(HashAlgorithm::Blake3)).unwrap();
    let mut chunks = Vec::new();
    let panic = catch_unwind(AssertUnwindSafe(|| chunks.extend(pipeline.by_ref().map(Result::unwrap))));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the reader panics");
    assert_eq!(chunks, streamed(script(false)).0);
    assert!(pipeline.next().is_none());

    let mut pipeline = DescriptorPipeline::new(script(true), profile().hash(HashAlgorithm::Blake3)).unwrap();
    let mut described = Vec::new();
    let panic = catch_unwind(AssertUnwindSafe(|| described.extend(pipeline.by_ref().map(Result::unwrap))));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the reader panics");
    assert_eq!(described, without_payloads((chunks, None)).0);
    assert!(pipeline.next().is_none());
}

#[test]
fn a_batch_by_many_threads_is_the_batch_of_one() {
    let readers = || (0..20).map(|n| Script { good: 5 + n % 7, ..Script::of(noise(n * 1000), 900) });
    let expected = chunk_batch(readers(), profile().hash(HashAlgorithm::Sha256));
    for threads in [1, 4] {
        let batch =
            pool(threads).install(|| chunk_batch_parallel(readers(), profile().hash(HashAlgorithm::Sha256)));
        assert_eq!(batch.total_bytes_processed, expected.total_bytes_processed);
        assert_eq!(batch.total_chunks_emitted, expected.total_chunks_emitted);
        assert_eq!(batch.results.len(), 20);
        for (result, expected) in batch.results.iter().zip(&expected.results) {
            match (result, expected) {
                (Ok(chunks), Ok(expected)) => assert_eq!(chunks, expected),
                (result, expected) => {
                    assert_eq!(result.as_ref().unwrap_err().code(), expected.as_ref().unwrap_err().code());
                }
            }
        }
    }
}
