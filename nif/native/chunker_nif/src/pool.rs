//! The threads that batches share.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// Batches of more items than this are spread over threads. For smaller ones, that costs more than it gains.
const SEQUENTIAL_ITEMS: usize = 4;

/// More threads than this are a mistake; then the calling thread does all the work.
const MOST_THREADS: usize = 1024;

static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Returns the result of `work` for every item, in order.
///
/// The first call with more than four items starts `threads` threads, which all later calls share. If the
/// system cannot start threads, the calling thread does the work. A panic of a task reaches the caller, where
/// rustler turns it into an exception.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

    if items.len() > SEQUENTIAL_ITEMS && (2..=MOST_THREADS).contains(&threads) {
        let start = || ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok();
        if let Some(pool) = POOL.get_or_init(start) {
            return pool.install(|| items.par_iter().map(&work).collect());
        }
    }
    items.iter().map(work).collect()
}

fn name(index: usize) -> String {
    format!("chunker-{index}")
}
