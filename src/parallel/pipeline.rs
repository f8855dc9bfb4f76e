//! Chunks of a reader, hashed and worked on by many threads while it is read.

use crate::chunk::ChunkMetadata;
use crate::chunking::ChunkingError;
use crate::hashing::HashAlgorithm;
use crate::options::ChunkingOptions;
use crate::push::Payload;
use crate::stream::{ReadError, Reading};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::any::Any;
use core::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;

/// Iterator over the chunks of a reader, or over what a closure makes of them, in order.
///
/// A thread of its own reads and cuts. The threads of the [rayon] pool that [`next`](Iterator::next)
/// is called in hash the chunks and run the closure, and so does the caller while it waits. All chunks
/// that end in one read are one piece of work.
///
/// Nothing runs ahead for long: at most `threads + 4` pieces of work exist, being read, waiting, in
/// work or done, each of at most `max_size` bytes and one read (1 MiB, or what
/// `CHUNKER_READ_SLICE_CAP_BYTES` allows). Payloads that the caller keeps come on top.
///
/// The first error of the reader comes after all chunks before it, once, and then the iterator ends. A
/// panic of the reader or of the closure is carried on from `next`. Dropping the iterator lets the
/// reading thread end after the read it is in, and the pool after the pieces that it is at.
///
/// ```
/// use chunker::chunking::{ChunkPipeline, ChunkingOptions, HashAlgorithm};
///
/// let reader = std::io::Cursor::new(vec![7; 5_000_000]);
/// let options = ChunkingOptions::default();
/// let squeezed = ChunkPipeline::mapped(reader, options, HashAlgorithm::Blake3, |chunk| {
///     let mut payload = chunk.payload.to_vec(); // here one would compress it
///     payload.dedup();
///     (chunk.hash, payload)
/// })?;
/// for chunk in squeezed {
///     let (hash, payload) = chunk?;
///     assert_eq!(payload, [7]);
/// }
/// # Ok::<(), chunker::chunking::ChunkingError>(())
/// ```
pub struct ChunkPipeline<T = ChunkMetadata> {
    /// What the reading thread sends; `None` when it has ended.
    batches: Option<Receiver<Result<Vec<Payload>, Failure>>>,
    shared: Arc<Shared<T>>,
    /// Where the results of each piece of work come, in order.
    results: VecDeque<Receiver<thread::Result<Vec<T>>>>,
    /// The results of the first piece of work that are left.
    ready: vec::IntoIter<T>,
    failure: Option<Failure>,
}

/// How reading ended before the input did.
enum Failure {
    Error(ChunkingError),
    Panic(Box<dyn Any + Send>),
}

impl ChunkPipeline {
    /// Returns a pipeline that gives the chunks of `reader` as they are.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn new<R: Read + Send + 'static>(
        reader: R,
        options: ChunkingOptions,
        hash: HashAlgorithm,
    ) -> Result<Self, ChunkingError> {
        Self::mapped(reader, options, hash, |chunk| chunk)
    }
}

impl<T: Send + 'static> ChunkPipeline<T> {
    /// Returns a pipeline that gives what `map` makes of each chunk of `reader`.
    ///
    /// # Errors
    /// [`ChunkingError::InvalidOptions`] when `CHUNKER_READ_SLICE_CAP_BYTES` is set to something else
    /// than an integer in `1..=1 GiB`; [`ChunkingError::Io`] when no thread can be started.
    pub fn mapped<R: Read + Send + 'static>(
        reader: R,
        options: ChunkingOptions,
        hash: HashAlgorithm,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, options, hash, 0, map)
    }

    /// Returns a pipeline for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` begins there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn resume_at<R: Read + Send + 'static>(
        reader: R,
        options: ChunkingOptions,
        hash: HashAlgorithm,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        let reading = Reading::resume_at(options, offset)?;
        let (sender, batches) = sync_channel(1);
        thread::Builder::new()
            .name("chunker-reader".to_string())
            .spawn(move || read_all(reader, reading, &sender))
            .map_err(|source| ReadError { offset, source })?;
        let work = Box::new(move |payload: Payload| map(payload.hashed(hash)));
        Ok(Self {
            batches: Some(batches),
            shared: Arc::new(Shared { work, queue: Mutex::default() }),
            results: VecDeque::new(),
            ready: Vec::new().into_iter(),
            failure: None,
        })
    }

    /// Hands over what was read to the pool. Waits for the reader only if there is nothing else to
    /// wait for.
    fn hand_over(&mut self) {
        let threads = rayon::current_num_threads();
        while self.results.len() <= threads {
            let Some(batches) = &self.batches else { return };
            let received = if self.results.is_empty() {
                batches.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                batches.try_recv()
            };
            match received {
                Ok(Ok(batch)) => self.results.push_back(Shared::submit(&self.shared, batch, threads)),
                Ok(Err(failure)) => {
                    self.failure = Some(failure);
                    self.batches = None;
                }
                Err(TryRecvError::Disconnected) => self.batches = None,
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// Returns what comes by `results`, and works as long as it has not come.
    fn wait_for(&self, results: &Receiver<thread::Result<Vec<T>>>) -> thread::Result<Vec<T>> {
        loop {
            if let Ok(results) = results.try_recv() {
                return results;
            }
            let Some(job) = self.shared.queue().jobs.pop_front() else { break };
            self.shared.run(job);
        }
        match results.recv() {
            Ok(results) => results,
            Err(_) => unreachable!("whoever takes a job sends its results"),
        }
    }

    fn end(&mut self) {
        self.batches = None;
        self.results.clear();
        self.shared.queue().jobs.clear();
    }
}

impl<T: Send + 'static> Iterator for ChunkPipeline<T> {
    type Item = Result<T, ChunkingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.next() {
                return Some(Ok(item));
            }
            self.hand_over();
            let Some(results) = self.results.pop_front() else { break };
            match self.wait_for(&results) {
                Ok(results) => self.ready = results.into_iter(),
                Err(panic) => {
                    self.end();
                    self.failure = None;
                    resume_unwind(panic);
                }
            }
        }
        match self.failure.take()? {
            Failure::Error(error) => Some(Err(error)),
            Failure::Panic(panic) => resume_unwind(panic),
        }
    }
}

impl<T: Send + 'static> core::iter::FusedIterator for ChunkPipeline<T> {}

impl<T> Drop for ChunkPipeline<T> {
    fn drop(&mut self) {
        self.shared.queue().jobs.clear();
    }
}

impl<T> fmt::Debug for ChunkPipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkPipeline").field("in_flight", &self.results.len()).finish_non_exhaustive()
    }
}

/// Sends the chunks of each read until the input ends, reading fails or nobody wants more.
fn read_all(mut reader: impl Read, mut reading: Reading, sender: &SyncSender<Result<Vec<Payload>, Failure>>) {
    let mut next_batch = || {
        let Poll::Ready(payload) = reading.poll_next(|space| Poll::Ready(reader.read(space))) else {
            return None; // only a reader could be pending, and this one is not
        };
        Some(payload?.map(|first| {
            let mut batch = Vec::from([first]);
            batch.extend(core::iter::from_fn(|| reading.next_buffered()));
            batch
        }))
    };
    loop {
        let batch = match catch_unwind(AssertUnwindSafe(&mut next_batch)) {
            Ok(None) => return,
            Ok(Some(batch)) => batch.map_err(Failure::Error),
            Err(panic) => Err(Failure::Panic(panic)),
        };
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

/// What the pool knows of a pipeline.
struct Shared<T> {
    work: Box<dyn Fn(Payload) -> T + Send + Sync>,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    jobs: VecDeque<Job<T>>,
    /// Tasks of the pool that take jobs until there are none. Not one for each job: those of a pool
    /// whose only thread is the caller would never run and pile up.
    tasks: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { jobs: VecDeque::new(), tasks: 0 }
    }
}

struct Job<T> {
    batch: Vec<Payload>,
    results: Sender<thread::Result<Vec<T>>>,
}

impl<T> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, Job { batch, results }: Job<T>) {
        let work = || batch.into_iter().map(&self.work).collect();
        // Nobody wants the results of a pipeline that was dropped.
        let _ = results.send(catch_unwind(AssertUnwindSafe(work)));
    }
}

impl<T: Send + 'static> Shared<T> {
    fn submit(shared: &Arc<Self>, batch: Vec<Payload>, threads: usize) -> Receiver<thread::Result<Vec<T>>> {
        let (results, receiver) = channel();
        let mut queue = shared.queue();
        queue.jobs.push_back(Job { batch, results });
        if queue.tasks < threads {
            queue.tasks += 1;
            drop(queue);
            let shared = Arc::clone(shared);
            rayon::spawn(move || shared.run_jobs());
        }
        receiver
    }

    fn run_jobs(&self) {
        loop {
            let mut queue = self.queue();
            let Some(job) = queue.jobs.pop_front() else {
                queue.tasks -= 1;
                return;
            };
            drop(queue);
            self.run(job);
        }
    }
}
