//! The threads of stores and uploads, whose results settle promises.

use crate::failure::Failure;
use chunker_store::host::blocking_threads;
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use napi::{Env, JsError};
use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

/// Threads that wait. Other threads compute and read disks.
const THREADS: usize = 2;

/// The runtime of all stores of this process, once one is opened.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Returns the runtime; starts it if necessary.
pub(crate) fn handle() -> Result<&'static Handle, Failure> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(THREADS).max_blocking_threads(blocking_threads());
    let started = builder.thread_name("chunker-store").enable_all().build();
    let started = started.map_err(|error| Failure::threads(&error))?;
    Ok(RUNTIME.get_or_init(|| started).handle())
}

/// Starts `work`, and returns a promise of its result, converted by `convert`.
pub(crate) fn promise<'env, T: Send + 'static, V: ToNapiValue>(
    env: &'env Env,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    convert: impl FnOnce(&'env Env, T) -> Result<V, Failure> + 'static,
) -> Result<PromiseRaw<'env, V>, Failure> {
    settle(env, handle()?.spawn(work), convert)
}

/// Returns a promise of the result of `task`, converted by `convert`.
pub(crate) fn settle<'env, T: Send + 'static, V: ToNapiValue>(
    env: &'env Env,
    task: JoinHandle<Result<T, Failure>>,
    convert: impl FnOnce(&'env Env, T) -> Result<V, Failure> + 'static,
) -> Result<PromiseRaw<'env, V>, Failure> {
    let settled = async move { Ok(task.await.unwrap_or_else(|lost| Err(why(lost)))) };
    let promise = env.spawn_future_with_callback(settled, move |env, result| {
        let rejected = |failure| JsError::from(failure).into_unknown(*env).into();
        result.and_then(|value| convert(env, value)).map_err(rejected)
    });
    promise.map_err(|error| Failure::promise(&error))
}

/// Returns why a task has no result: it was abandoned, or it panicked.
fn why(lost: JoinError) -> Failure {
    match lost.try_into_panic() {
        Ok(payload) => Failure::panic(&*payload),
        Err(_) => Failure::CLOSED,
    }
}
