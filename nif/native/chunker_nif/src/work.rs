//! Work that waits for disks and networks. It runs on its own threads, and sends its result as a message.
//!
//! The message `{reference, result}` goes to the process that started the work, with the reference of the
//! call. Work stops when it is closed, or when the process that owns it ends; then no message comes.

use crate::failure::{Failure, StoreFailure};
use bytes::Bytes;
use chunker_store::StoreError;
use chunker_store::host::blocking_threads;
use futures::FutureExt as _;
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::{Atom, Binary, Encoder, Env, LocalPid, Resource, ResourceArc, Term};
use std::future::Future;
use std::panic::{AssertUnwindSafe, RefUnwindSafe};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// Threads that run tasks. Other threads compute and wait for disks.
const THREADS: usize = 2;

/// Returns the runtime of all stores; the first call starts it.
pub(crate) fn runtime() -> Result<&'static Runtime, StoreError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).max_blocking_threads(blocking_threads());
        builder.thread_name("chunker-store").enable_all().build()
    };
    RUNTIME.get_or_init(|| start().ok()).as_ref().ok_or(StoreError::NoRuntime)
}

/// A value that work takes, and gives back when it is done. No scheduler waits for it or drops it: freeing the
/// 64 MiB that it may hold takes several milliseconds.
pub(crate) struct Slot<T: Send + 'static>(Mutex<State<T>>);

enum State<T> {
    Idle(Box<T>),
    Working(AbortHandle),
    Closed,
}

// A panic during work leaves the slot closed.
impl<T: Send + 'static> RefUnwindSafe for Slot<T> {}

impl<T: Send + 'static> Drop for Slot<T> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A resource whose value can be taken for work.
pub(crate) trait Worked: Resource {
    /// The type of the value.
    type Value: Send + 'static;

    /// Returns its slot.
    fn slot(&self) -> &Slot<Self::Value>;
}

/// Declares a resource around a [`Slot`], which closes when the process that owns it ends.
macro_rules! worked {
    ($(#[$doc:meta])* $visibility:vis struct $Resource:ident($Value:ty);) => {
        $(#[$doc])*
        $visibility struct $Resource($crate::work::Slot<$Value>);

        #[rustler::resource_impl]
        impl rustler::Resource for $Resource {
            fn down<'a>(&'a self, _: rustler::Env<'a>, _: rustler::LocalPid, _: rustler::Monitor) {
                self.0.close();
            }
        }

        impl $crate::work::Worked for $Resource {
            type Value = $Value;

            fn slot(&self) -> &$crate::work::Slot<$Value> {
                &self.0
            }
        }
    };
}
pub(crate) use worked;

impl<T: Send + 'static> Slot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(State::Idle(Box::new(value))))
    }

    /// Stops the work, if any, and drops the value.
    pub(crate) fn close(&self) {
        let state = std::mem::replace(&mut *self.state(), State::Closed);
        match state {
            State::Working(work) => work.abort(),
            State::Idle(value) => drop_elsewhere(value),
            State::Closed => {}
        }
    }

    /// Returns the value, and closes the slot.
    pub(crate) fn take(&self) -> Result<T, Failure> {
        let mut state = self.state();
        Ok(*Self::claim(&mut state)?)
    }

    fn claim(state: &mut State<T>) -> Result<Box<T>, Failure> {
        match std::mem::replace(state, State::Closed) {
            State::Idle(value) => Ok(value),
            State::Closed => Err(Failure::CLOSED),
            working @ State::Working(_) => {
                *state = working;
                Err(Failure::BUSY)
            }
        }
    }

    /// Puts the value back and sends the result, unless the slot was closed in the meantime. A process that
    /// closes it may find a message that was sent before, but none comes later.
    fn done(&self, value: Option<T>, mut caller: Caller, result: impl Encoder) {
        let message = caller.env.run(|env| {
            let message = (caller.reference.load(env), result).encode(env);
            caller.env.save(message)
        });
        let mut state = self.state();
        if matches!(*state, State::Working(_)) {
            *state = value.map_or(State::Closed, |value| State::Idle(Box::new(value)));
            // Fails when the caller has ended.
            let _ = caller.env.send_and_clear(&caller.pid, |env| message.load(env));
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops a value on a thread where that may take long.
fn drop_elsewhere<T: Send + 'static>(value: T) {
    if let Ok(runtime) = runtime() {
        drop(runtime.spawn_blocking(move || drop(value)));
    }
}

/// The process that waits for a result.
struct Caller {
    pid: LocalPid,
    env: OwnedEnv,
    reference: SavedTerm,
}

impl Caller {
    fn new(env: Env<'_>, reference: Term<'_>) -> Self {
        let own = OwnedEnv::new();
        let reference = own.save(reference);
        Self { pid: env.pid(), env: own, reference }
    }
}

/// Starts `work` with the value of a resource, and sends its result to the caller. Work that returns no value
/// closes the resource, as does a panic.
pub(crate) fn start<R: Worked, F, O>(
    env: Env<'_>,
    resource: ResourceArc<R>,
    reference: Term<'_>,
    work: impl FnOnce(R::Value) -> F + Send + 'static,
) -> Result<Atom, StoreFailure>
where
    F: Future<Output = (Option<R::Value>, Result<O, StoreFailure>)> + Send + 'static,
    O: Encoder + Send + 'static,
{
    let runtime = runtime()?;
    let caller = Caller::new(env, reference);
    let worked = resource.clone();
    let mut state = worked.slot().state();
    let value = *Slot::claim(&mut state)?;
    let task = runtime.spawn(async move {
        let done = AssertUnwindSafe(async { work(value).await }).catch_unwind().await;
        let (value, result) = done.unwrap_or_else(|_| (None, Err(StoreFailure::panicked())));
        resource.slot().done(value, caller, result);
    });
    *state = State::Working(task.abort_handle());
    drop(state);
    Ok(rustler::types::atom::ok())
}

worked! {
    /// Work without a value.
    pub(crate) struct Call(());
}

/// The handle that a call returns at once, to stop it.
pub(crate) type Started = Result<ResourceArc<Call>, StoreFailure>;

/// Starts work that sends its result to the caller, and stops when the caller ends.
pub(crate) fn call<O: Encoder + Send + 'static>(
    env: Env<'_>,
    reference: Term<'_>,
    work: impl Future<Output = Result<O, StoreFailure>> + Send + 'static,
) -> Started {
    let call = owned(env, Call(Slot::new(())));
    start(env, call.clone(), reference, |()| async { (None, work.await) })?;
    Ok(call)
}

/// Stops a call: unless its message was sent already, none comes.
#[rustler::nif]
fn call_stop(call: ResourceArc<Call>) -> Atom {
    call.0.close();
    rustler::types::atom::ok()
}

/// Returns a resource that the calling process owns.
pub(crate) fn owned<R: Resource>(env: Env<'_>, value: R) -> ResourceArc<R> {
    let resource = ResourceArc::new(value);
    // A process that runs this call is alive, or its end drops the resource.
    let _ = resource.monitor(Some(env), &env.pid());
    resource
}

/// A binary that another thread reads, shared with the VM until then.
pub(crate) struct Shared {
    env: OwnedEnv,
    binary: SavedTerm,
}

impl Shared {
    pub(crate) fn new(binary: Binary<'_>) -> Self {
        let env = OwnedEnv::new();
        let binary = env.save(binary);
        Self { env, binary }
    }

    /// Returns a copy of the bytes.
    pub(crate) fn bytes(self) -> Bytes {
        let copy = |env| {
            let binary = self.binary.load(env).decode::<Binary<'_>>();
            binary.map_or_else(|_| Bytes::new(), |binary| Bytes::copy_from_slice(binary.as_slice()))
        };
        self.env.run(copy)
    }
}
