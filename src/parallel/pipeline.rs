//! Chunks of a reader, hashed and processed on many threads while it is read.

use crate::chunking::chunk::ChunkMetadata;
use crate::chunking::error::{ChunkingError, ReadError};
use crate::chunking::push::Payload;
use crate::chunking::stream::{Reading, answered};
use crate::observability::hooks::Observer;
use crate::profile::Profile;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::any::Any;
use core::fmt;
use rayon::ThreadPool;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Iterator over the chunks of a reader, or over the results of a closure for them, in order.
///
/// A dedicated thread reads and cuts. The threads of the [rayon] pool that [`next`](Iterator::next)
/// is called in hash the chunks and run the closure, and so does the caller while it waits. All chunks
/// that end in one read are one piece of work. A caller that must not block the threads of a pool passes
/// it to [`in_pool`](Self::in_pool).
///
/// The pipeline runs ahead only so far: at most `2 * threads + 3` pieces of work exist, being read, waiting,
/// in progress or done, each of at most `max_size` bytes and one read (1 MiB, or what
/// `CHUNKER_READ_SLICE_CAP_BYTES` allows). Payloads that the caller keeps come on top.
///
/// The iterator returns the first error of the reader once, after all chunks before it, and then ends. A
/// panic of the reader or of the closure resumes in `next`. If you drop the iterator, the
/// reading thread stops after its current read, and the pool after its current pieces.
///
/// ```
/// use chunker::Profile;
/// use chunker::chunking::ChunkPipeline;
///
/// let reader = std::io::Cursor::new(vec![7; 5_000_000]);
/// let squeezed = ChunkPipeline::mapped(reader, Profile::LARGE, |chunk| {
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
    shared: Arc<Shared<T>>,
    /// The results of the first piece of work that are left.
    ready: vec::IntoIter<T>,
}

/// The chunks that end in one read.
type Batch = Result<Vec<Payload>, Failure>;

/// How reading ended before the input did.
enum Failure {
    Error(ChunkingError),
    Panic(Box<dyn Any + Send>),
}

impl ChunkPipeline {
    /// Returns a pipeline that yields the chunks of `reader`.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn new<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
    ) -> Result<Self, ChunkingError> {
        Self::mapped(reader, profile, |chunk| chunk)
    }
}

impl<T: Send + 'static> ChunkPipeline<T> {
    /// Returns a pipeline that yields the result of `map` for each chunk of `reader`.
    ///
    /// # Errors
    /// [`ChunkingError::Environment`] when `CHUNKER_READ_SLICE_CAP_BYTES` is set, but not to
    /// an integer in `1..=1 GiB`; [`ChunkingError::Io`] when no thread can be started.
    pub fn mapped<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::resume_at(reader, profile, 0, map)
    }

    /// Returns a pipeline for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// `reader` starts there; the chunks are those of the whole input.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn resume_at<R: Read + Send + 'static>(
        reader: R,
        profile: impl Into<Profile>,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::start(None, reader, profile.into(), offset, map)
    }

    /// Like [`resume_at`](Self::resume_at), with the threads of `pool`.
    ///
    /// Call [`next`](Iterator::next) outside the pool: the caller only waits, and however long the
    /// reader takes, it blocks no thread of the pool.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped).
    pub fn in_pool<R: Read + Send + 'static>(
        pool: Arc<ThreadPool>,
        reader: R,
        profile: impl Into<Profile>,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        Self::start(Some(pool), reader, profile.into(), offset, map)
    }

    fn start<R: Read + Send + 'static>(
        pool: Option<Arc<ThreadPool>>,
        reader: R,
        profile: Profile,
        offset: u64,
        map: impl Fn(ChunkMetadata) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        let (reading, hash) = (Reading::resume_at(profile, offset)?, profile.hash_algorithm());
        let (sender, batches) = sync_channel(threads_of(pool.as_deref()));
        thread::Builder::new()
            .name("chunker-reader".to_string())
            .spawn(move || read_all(reader, reading, &sender))
            .map_err(|source| ReadError { offset, source })?;
        let work = Box::new(move |payload: Payload| map(payload.hashed(hash, &mut Observer::untimed())));
        let queue = Queue { batches: Some(batches), failure: None, results: VecDeque::new(), tasks: 0 };
        Ok(Self {
            shared: Arc::new(Shared { work, pool, queue: Mutex::new(queue) }),
            ready: Vec::new().into_iter(),
        })
    }

    /// Returns the results of the next piece of work, or `None` at the end.
    fn next_results(&self) -> Option<thread::Result<Vec<T>>> {
        Shared::start_task(&self.shared);
        let mut queue = self.shared.queue();
        if let Some(slot) = queue.results.pop_front() {
            drop(queue);
            return Some(self.wait_for(&slot));
        }
        // Only the reader is left to wait for. The pool must not wait for it too, at the lock.
        let batches = queue.batches.take()?;
        drop(queue);
        let received = batches.recv().map_err(|RecvError| TryRecvError::Disconnected);
        let batch = self.shared.queue().accept(batches, received)?;
        Shared::start_task(&self.shared);
        let shared = &*self.shared;
        Some(match &shared.pool {
            Some(pool) => pool.install(|| shared.run(batch)),
            None => shared.run(batch),
        })
    }

    /// Returns what comes into `slot`, and works until it has come, unless that is for a pool.
    fn wait_for(&self, slot: &Slot<T>) -> thread::Result<Vec<T>> {
        while self.shared.pool.is_none() {
            if let Some(results) = slot.try_take() {
                return results;
            }
            if !self.shared.run_next(rayon::current_num_threads()) {
                break;
            }
        }
        slot.take()
    }
}

impl<T: Send + 'static> Iterator for ChunkPipeline<T> {
    type Item = Result<T, ChunkingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.next() {
                return Some(Ok(item));
            }
            match self.next_results() {
                Some(Ok(results)) => self.ready = results.into_iter(),
                Some(Err(panic)) => {
                    self.shared.queue().end();
                    resume_unwind(panic);
                }
                None => break,
            }
        }
        let failure = self.shared.queue().failure.take()?;
        match failure {
            Failure::Error(error) => Some(Err(error)),
            Failure::Panic(panic) => resume_unwind(panic),
        }
    }
}

impl<T: Send + 'static> core::iter::FusedIterator for ChunkPipeline<T> {}

impl<T> Drop for ChunkPipeline<T> {
    fn drop(&mut self) {
        self.shared.queue().end();
    }
}

impl<T> fmt::Debug for ChunkPipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkPipeline").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}

/// Sends the chunks of each read until the input ends, reading fails or the receiver is gone.
fn read_all(mut reader: impl Read, mut reading: Reading, sender: &SyncSender<Batch>) {
    let mut next_batch = || {
        let Ok(payload) = reading.next(|space| answered(reader.read(space)));
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

/// Returns the number of threads of `pool`, or of the current one.
fn threads_of(pool: Option<&ThreadPool>) -> usize {
    pool.map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
}

/// What the pool knows of a pipeline.
struct Shared<T> {
    work: Box<dyn Fn(Payload) -> T + Send + Sync>,
    /// Whose threads work; `None` for those of the pool that `next` is called in.
    pool: Option<Arc<ThreadPool>>,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    /// What the reading thread sends; `None` when it has ended, and while the caller waits for it.
    batches: Option<Receiver<Batch>>,
    failure: Option<Failure>,
    /// Where the results of each batch in work come, in order. Whoever takes a batch works on it at
    /// once, so that waiting for its results always ends.
    results: VecDeque<Arc<Slot<T>>>,
    /// Tasks of the pool that take batches until there are none. Not one for each batch: those of a
    /// pool whose only thread is the caller would never run and pile up.
    tasks: usize,
}

/// Where the results of one batch come, once.
struct Slot<T> {
    results: Mutex<Option<thread::Result<Vec<T>>>>,
    filled: Condvar,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { results: Mutex::new(None), filled: Condvar::new() }
    }
}

impl<T> Slot<T> {
    fn fill(&self, results: thread::Result<Vec<T>>) {
        *self.lock() = Some(results);
        self.filled.notify_one();
    }

    /// Returns the results if they are there.
    fn try_take(&self) -> Option<thread::Result<Vec<T>>> {
        self.lock().take()
    }

    /// Waits for the results.
    fn take(&self) -> thread::Result<Vec<T>> {
        let mut results = self.lock();
        loop {
            if let Some(results) = results.take() {
                return results;
            }
            results = self.filled.wait(results).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<thread::Result<Vec<T>>>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Queue<T> {
    /// Puts the receiver back, unless it has given its last, and returns the batch it gave, if any.
    fn accept(
        &mut self,
        batches: Receiver<Batch>,
        received: Result<Batch, TryRecvError>,
    ) -> Option<Vec<Payload>> {
        match received {
            Ok(Ok(batch)) => {
                self.batches = Some(batches);
                Some(batch)
            }
            Err(TryRecvError::Empty) => {
                self.batches = Some(batches);
                None
            }
            Ok(Err(failure)) => {
                self.failure = Some(failure);
                None
            }
            Err(TryRecvError::Disconnected) => None,
        }
    }

    fn end(&mut self) {
        self.batches = None;
        self.failure = None;
        self.results.clear();
    }
}

impl<T> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, batch: Vec<Payload>) -> thread::Result<Vec<T>> {
        catch_unwind(AssertUnwindSafe(|| batch.into_iter().map(&self.work).collect()))
    }

    /// Works on the next batch; `false` if none is there or the results of `limit` wait to be taken.
    fn run_next(&self, limit: usize) -> bool {
        let mut queue = self.queue();
        if queue.results.len() >= limit {
            return false;
        }
        let Some(batches) = queue.batches.take() else { return false };
        let received = batches.try_recv();
        let Some(batch) = queue.accept(batches, received) else { return false };
        let slot = Arc::new(Slot::default());
        queue.results.push_back(Arc::clone(&slot));
        drop(queue);
        slot.fill(self.run(batch));
        true
    }
}

impl<T: Send + 'static> Shared<T> {
    /// Lets one more thread of the pool work, unless all do.
    fn start_task(shared: &Arc<Self>) {
        let threads = threads_of(shared.pool.as_deref());
        let mut queue = shared.queue();
        if queue.batches.is_none() || queue.tasks >= threads {
            return;
        }
        queue.tasks += 1;
        drop(queue);
        let own = Arc::clone(shared);
        let task = move || {
            while own.run_next(threads) {}
            own.queue().tasks -= 1;
        };
        match &shared.pool {
            Some(pool) => pool.spawn(task),
            None => rayon::spawn(task),
        }
    }
}
