//! The store that a command uses, and the runtime for its requests.

use crate::args::Global;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::Output;
use crate::progress::Progress;
use chunker_store::host::blocking_threads;
use chunker_store::{FormatError, Step, Store, StoreError, StoreOptions};
use etcetera::BaseStrategy as _;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};

/// The longest manifest, in bytes: 30 million chunks.
pub(crate) const MANIFEST_LIMIT: u64 = 1 << 30;

/// An open store.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) store: Store,
    pub(crate) output: Output,
    runtime: Runtime,
}

impl Session {
    /// Opens the store that the arguments or the environment name, or the default one.
    pub(crate) fn open(global: &Global, options: StoreOptions) -> Result<Self, Failure> {
        Self::open_with(global, options, Builder::new_multi_thread().worker_threads(2))
    }

    /// Opens the store for a server, which has a thread per core for connections.
    pub(crate) fn open_server(global: &Global, options: StoreOptions) -> Result<Self, Failure> {
        let mut runtime = Builder::new_multi_thread();
        Self::open_with(global, options, runtime.max_blocking_threads(blocking_threads()))
    }

    fn open_with(global: &Global, options: StoreOptions, runtime: &mut Builder) -> Result<Self, Failure> {
        let address = match &global.store {
            Some(address) => address.clone(),
            None => default_store()?,
        };
        let runtime = runtime.thread_name("chunker-store").enable_all().build().map_err(Failure::Threads)?;
        let opened = runtime.block_on(Store::open(&address, options.manifest_limit(MANIFEST_LIMIT)));
        let store = opened.map_err(|error| match error {
            StoreError::Format(FormatError::NotAStore | FormatError::Version { .. })
            | StoreError::Object(_) => Failure::Unusable { address, source: error },
            error => error.into(), // it names the store
        })?;
        Ok(Self { store, output: global.output(), runtime })
    }

    /// Opens the store if it exists.
    pub(crate) fn open_existing(global: &Global) -> Result<Self, Failure> {
        Self::open(global, StoreOptions::new().create(false))
    }

    /// Waits for work that must not be abandoned halfway.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Waits for work that is abandoned when the process is asked to end.
    pub(crate) fn wait_interruptibly<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        self.wait(interrupt::unless_interrupted(work))
    }

    /// Runs a long operation of the store, and shows its steps.
    ///
    /// The operation is abandoned when the process is asked to end; the store survives that at any moment.
    pub(crate) fn with_steps<T, W>(
        &self,
        start: impl FnOnce(Box<dyn Fn(chunker_store::Progress) + Send + Sync>) -> W,
    ) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, StoreError>>,
    {
        let progress = Progress::steps(self.output, "reading the store");
        let shown = progress.clone();
        let work = start(Box::new(move |step| shown.step(name(step.step), step.done, step.total)));
        let result = self.wait_interruptibly(work);
        progress.clear();
        Ok(result??)
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::ReadManifests => "reading manifests",
        Step::CheckPacks => "checking packs",
        Step::CopyChunks => "copying chunks",
        Step::DeletePacks => "deleting packs",
        _ => "working",
    }
}

fn default_store() -> Result<String, Failure> {
    let folders = etcetera::choose_base_strategy().map_err(|_| Failure::NoDefaultStore)?;
    Ok(folders.data_dir().join("chunker").display().to_string())
}
