//! What the store needs from the machine it runs on: time, randomness, tasks and threads.
//!
//! Nothing else in the crate asks for the time, draws a random number or starts a thread, so that a test
//! can run many nodes on one thread, from one seed.

use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The machine that a store runs on. Programs use [`TokioHost`].
pub trait Host: fmt::Debug + Send + Sync + 'static {
    /// Returns the time of day.
    fn now(&self) -> SystemTime;

    /// Returns the time since a fixed moment; it never decreases.
    fn elapsed(&self) -> Duration;

    /// Fills `bytes` with random bytes.
    ///
    /// # Errors
    /// If the operating system has none.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// Returns a future that is ready after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Starts a task that runs beside the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs `work`, which computes or waits for a disk, on a thread where it blocks no task.
    fn run(&self, work: Box<dyn FnOnce() + Send>);

    /// Returns the number of [`run`](Self::run) calls that can execute at the same time.
    fn parallelism(&self) -> usize;
}

/// Blocking threads per core, and the fewest.
const BLOCKING_PER_CORE: usize = 4;
const FEWEST_BLOCKING: usize = 16;

/// Returns the `max_blocking_threads` for the runtime of a server: 4 per core, at least 16.
///
/// They compute, or wait for a disk. By default, tokio starts up to 512, and each of them keeps buffers that it
/// has freed.
#[must_use]
pub fn blocking_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (BLOCKING_PER_CORE * cores).max(FEWEST_BLOCKING)
}

/// The host of a program with a `tokio` runtime.
#[derive(Clone, Debug)]
pub struct TokioHost {
    runtime: tokio::runtime::Handle,
    start: Instant,
    parallelism: usize,
}

impl TokioHost {
    /// Returns a host that uses this runtime; its timer must be enabled.
    #[must_use]
    pub fn new(runtime: tokio::runtime::Handle) -> Self {
        let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
        Self { runtime, start: Instant::now(), parallelism }
    }
}

impl Host for TokioHost {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _guard = self.runtime.enter();
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(self.runtime.spawn(task));
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        drop(self.runtime.spawn_blocking(work));
    }

    fn parallelism(&self) -> usize {
        self.parallelism
    }
}

/// The runtime ended, or one of its tasks panicked, before there was a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a background task ended without a result")]
pub struct TaskLost;

/// A running task or piece of work. It continues even if it is not awaited.
#[derive(Debug)]
pub(crate) struct Task<T>(oneshot::Receiver<T>);

impl<T> Future for Task<T> {
    type Output = Result<T, TaskLost>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context).map_err(|oneshot::Canceled| TaskLost)
    }
}

/// Starts `work` on a thread for blocking work.
pub(crate) fn start_work<T: Send + 'static>(
    host: &Arc<dyn Host>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Task<T> {
    let (sender, receiver) = oneshot::channel();
    host.run(Box::new(move || drop(sender.send(work()))));
    Task(receiver)
}

/// Starts a task that runs beside the caller.
pub(crate) fn start_task<T: Send + 'static>(
    host: &Arc<dyn Host>,
    task: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let (sender, receiver) = oneshot::channel();
    host.spawn(Box::pin(async move { drop(sender.send(task.await)) }));
    Task(receiver)
}

/// Does the same with a task that ends when its output is no longer awaited.
pub(crate) fn start_awaited_task<T: Send + 'static>(
    host: &Arc<dyn Host>,
    task: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let (mut sender, receiver) = oneshot::channel();
    host.spawn(Box::pin(async move {
        let output = match select(std::pin::pin!(task), sender.cancellation()).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        };
        if let Some(output) = output {
            drop(sender.send(output));
        }
    }));
    Task(receiver)
}

/// Returns the output of `future`, or `None` if that takes longer than `duration`.
pub(crate) async fn within<T>(
    host: &Arc<dyn Host>,
    duration: Duration,
    future: impl Future<Output = T> + Unpin,
) -> Option<T> {
    match select(future, host.sleep(duration)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// A moment that can be compared with a later one, even if the machine slept in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    elapsed: Duration,
    time: SystemTime,
}

impl Moment {
    pub(crate) fn now(host: &dyn Host) -> Self {
        Self { elapsed: host.elapsed(), time: host.now() }
    }

    /// Returns the longer of the times that passed on two clocks: one stops while the machine sleeps, the
    /// other can be set back.
    pub(crate) fn age(&self, host: &dyn Host) -> Duration {
        let by_time = host.now().duration_since(self.time).unwrap_or_default();
        by_time.max(host.elapsed().saturating_sub(self.elapsed))
    }

    /// Returns whether this moment is certainly more than `duration` after another one, even if the time of
    /// day was changed.
    pub(crate) fn is_after(&self, other: &Self, duration: Duration) -> bool {
        self.elapsed > other.elapsed.saturating_add(duration)
    }
}
