//! The threads that hash.

use crate::failure::Failure;
use napi_derive::napi;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;

/// Threads that pipelines share.
#[napi]
pub struct Threads(Option<Arc<ThreadPool>>);

#[napi]
impl Threads {
    /// Starts `count` threads. They end when neither JavaScript nor a pipeline needs them.
    #[napi(constructor, catch_unwind)]
    pub fn new(count: u32) -> Result<Self, Failure> {
        let name = |index| format!("chunker-{index}");
        let pool = ThreadPoolBuilder::new().num_threads(count as usize).thread_name(name).build();
        Ok(Self(Some(Arc::new(pool.map_err(|error| Failure::threads(&error))?))))
    }

    /// Lets the threads end when no pipeline needs them.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.0 = None;
    }

    pub(super) fn pool(&self) -> Result<Arc<ThreadPool>, Failure> {
        self.0.clone().ok_or(Failure::CLOSED)
    }
}
