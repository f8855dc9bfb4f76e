//! Runs work on a pool while a thread reads the input; results keep their order.

use crate::chunking::error::{ChunkingError, ReadError};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::any::Any;
use rayon::ThreadPool;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Iterator over the results `T` of work on items `I`, which a dedicated thread reads in batches.
pub(super) struct Ordered<I, T> {
    shared: Arc<Shared<I, T>>,
    /// Results of the current batch that were not returned yet.
    ready: vec::IntoIter<T>,
}

/// The items of one read.
type Batch<I> = Result<Vec<I>, Failure>;

/// Why reading stopped early.
enum Failure {
    Error(ChunkingError),
    Panic(Box<dyn Any + Send>),
}

impl<I: Send + 'static, T: Send + 'static> Ordered<I, T> {
    /// Starts the thread that calls `read` until it returns `None` or an error.
    ///
    /// # Errors
    /// [`ChunkingError::Io`] at `offset` when no thread can be started.
    pub(super) fn start(
        pool: Option<Arc<ThreadPool>>,
        offset: u64,
        read: impl FnMut() -> Option<Result<Vec<I>, ChunkingError>> + Send + 'static,
        work: impl Fn(I) -> T + Send + Sync + 'static,
    ) -> Result<Self, ChunkingError> {
        let (sender, batches) = sync_channel(threads_of(pool.as_deref()));
        thread::Builder::new()
            .name("chunker-reader".to_string())
            .spawn(move || send_all(read, &sender))
            .map_err(|source| ReadError { offset, source })?;
        let queue = Queue { batches: Some(batches), failure: None, results: VecDeque::new(), tasks: 0 };
        Ok(Self {
            shared: Arc::new(Shared { work: Box::new(work), pool, queue: Mutex::new(queue) }),
            ready: Vec::new().into_iter(),
        })
    }

    /// Returns the next result, or the first error, once, after the results before it. A panic of the reader or of
    /// the work resumes here.
    pub(super) fn next(&mut self) -> Option<Result<T, ChunkingError>> {
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

    /// Returns the results of the next batch, or `None` at the end.
    fn next_results(&self) -> Option<thread::Result<Vec<T>>> {
        Shared::start_task(&self.shared);
        let mut queue = self.shared.queue();
        if let Some(slot) = queue.results.pop_front() {
            drop(queue);
            return Some(self.wait_for(&slot));
        }
        // Now waits for the reader, without the lock: the pool must not wait for it, too.
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

    /// Waits for the results in `slot`. Meanwhile works on other batches, unless a named pool does.
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

impl<I, T> Drop for Ordered<I, T> {
    fn drop(&mut self) {
        self.shared.queue().end();
    }
}

/// Sends batches until the input ends, reading fails or the receiver is gone.
fn send_all<I>(
    mut read: impl FnMut() -> Option<Result<Vec<I>, ChunkingError>>,
    sender: &SyncSender<Batch<I>>,
) {
    loop {
        let batch = match catch_unwind(AssertUnwindSafe(&mut read)) {
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

/// What the pool shares with the iterator.
struct Shared<I, T> {
    work: Box<dyn Fn(I) -> T + Send + Sync>,
    /// The pool that works; `None` for the one that `next` is called in.
    pool: Option<Arc<ThreadPool>>,
    queue: Mutex<Queue<I, T>>,
}

struct Queue<I, T> {
    /// What the reading thread sends; `None` when it has ended, and while the caller waits for it.
    batches: Option<Receiver<Batch<I>>>,
    failure: Option<Failure>,
    /// A slot for each batch in progress, in order. Whoever takes a batch works on it at once, so waiting for its
    /// results always ends.
    results: VecDeque<Arc<Slot<T>>>,
    /// Tasks in the pool, each of which takes batches until there are none. A task for each batch would never
    /// run, and they would pile up, if the caller is the pool's only thread.
    tasks: usize,
}

/// The results of one batch, once they are there; they can be taken once.
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

impl<I, T> Queue<I, T> {
    /// Puts the receiver back, unless it has ended, and returns the batch that it gave, if any.
    fn accept(
        &mut self,
        batches: Receiver<Batch<I>>,
        received: Result<Batch<I>, TryRecvError>,
    ) -> Option<Vec<I>> {
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

impl<I, T> Shared<I, T> {
    fn queue(&self) -> MutexGuard<'_, Queue<I, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, batch: Vec<I>) -> thread::Result<Vec<T>> {
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

impl<I: Send + 'static, T: Send + 'static> Shared<I, T> {
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
