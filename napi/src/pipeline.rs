//! Chunks found off the event loop, by the core's pipeline: those of a file, or of pieces that JavaScript
//! pushes.
//!
//! Each pipeline has two threads that read and wait; a pool of [`threads`] hashes. Chunks are kept until
//! JavaScript takes them; while there are many, the threads pause.

mod input;
mod output;
mod threads;

use crate::bytes;
use crate::chunking::offset_of;
use crate::chunking::profile::{Input as ProfileInput, profile_of};
use crate::chunking::record;
use crate::failure::Failure;
use crate::number::{MAX_SAFE_INTEGER, Number};
use chunker::Profile;
use chunker::chunking::DescriptorPipeline;
use input::{Input, Pushed};
use napi::Env;
use napi::bindgen_prelude::{Either3, Null, PromiseRaw, Uint8ArraySlice};
use napi_derive::napi;
use output::{Output, Step};
use rayon::ThreadPool;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
pub use threads::Threads;

/// Finds the chunks of a file, or of pieces that are pushed.
#[napi(js_name = "Pipeline")]
pub struct JsPipeline {
    /// The pushed pieces; `None` for a file.
    input: Option<Arc<Input>>,
    output: Arc<Output>,
}

/// Why a pipeline ended before its input did.
#[napi(object, object_from_js = false)]
pub struct PipelineFailure {
    /// The code of the error.
    pub code: &'static str,
    /// Its message.
    pub message: String,
}

/// Records of chunks, or the reason why there are no more, or nothing after the last.
type Next<'env> = Either3<Uint8ArraySlice<'env>, PipelineFailure, Null>;

#[napi]
impl JsPipeline {
    /// Returns a pipeline for pieces that are pushed: the input from `offset` on.
    #[napi(constructor, catch_unwind)]
    pub fn new(threads: &Threads, profile: ProfileInput<'_>, offset: Number<'_>) -> Result<Self, Failure> {
        let (profile, offset) = (profile_of(profile)?, offset_of(offset)?);
        let (output, input) = Output::of_pieces();
        let (output, pushed) = (Arc::new(output), Pushed(Arc::clone(&input)));
        start(threads.pool()?, || Ok(pushed), profile, offset, Arc::clone(&output))?;
        Ok(Self { input: Some(input), output })
    }

    /// Returns a pipeline for the whole file at `path`: the input from `offset` on.
    #[napi(factory, catch_unwind)]
    pub fn open(
        threads: &Threads,
        path: String,
        profile: ProfileInput<'_>,
        offset: Number<'_>,
    ) -> Result<Self, Failure> {
        let (profile, offset) = (profile_of(profile)?, offset_of(offset)?);
        let output = Arc::new(Output::of_file());
        let open = move || File::open(&path).map_err(|error| Failure::file(&path, &error));
        start(threads.pool()?, open, profile, offset, Arc::clone(&output))?;
        Ok(Self { input: None, output })
    }

    /// Appends a copy of `piece`, and returns whether there is room for another one.
    #[napi(catch_unwind)]
    pub fn push(&self, piece: &[u8]) -> Result<bool, Failure> {
        self.input.as_ref().ok_or(Failure::CLOSED)?.push(piece)
    }

    /// Resolves when there is room for another piece, or no more is needed. Resolves with `false` if there is
    /// no room until chunks are taken.
    #[napi(catch_unwind)]
    pub fn room<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, bool>> {
        let input = self.input.clone();
        let room = async move {
            match input {
                Some(input) => Ok(input.room().await),
                None => Ok(true),
            }
        };
        env.spawn_future_with_callback(room, |_, room| Ok(room))
    }

    /// Ends the input after the pieces that were pushed.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        if let Some(input) = &self.input {
            input.end();
        }
    }

    /// Ends the input there too, but makes the pipeline fail after the chunks that are complete by then.
    #[napi(catch_unwind)]
    pub fn fail(&self) {
        if let Some(input) = &self.input {
            input.fail();
        }
    }

    /// Resolves with the records of the next chunks, as many as were found; with `null` after the last; or
    /// with the reason why there are no more.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, Next<'env>>> {
        let output = Arc::clone(&self.output);
        let next = async move { Ok(output.next().await) };
        env.spawn_future_with_callback(next, |env, step| {
            let copied = match step {
                Step::Found(records) => bytes::copied(env, &records),
                Step::Ended => return Ok(Either3::C(Null)),
                Step::Failed(failure) => Err(failure),
            };
            Ok(match copied {
                Ok(records) => Either3::A(records),
                Err(Failure { code, message }) => {
                    Either3::B(PipelineFailure { code, message: message.into_owned() })
                }
            })
        })
    }

    /// Stops all work; chunks that were not taken are lost.
    #[napi(catch_unwind)]
    pub fn free(&self) {
        self.output.close();
    }
}

impl Drop for JsPipeline {
    fn drop(&mut self) {
        self.output.close();
    }
}

/// Starts the thread that fills `output` with the chunks of the input that `open` returns.
fn start<R: Read + Send + 'static>(
    pool: Arc<ThreadPool>,
    open: impl FnOnce() -> Result<R, Failure> + Send + 'static,
    profile: Profile,
    offset: u64,
    output: Arc<Output>,
) -> Result<(), Failure> {
    let work = move || {
        let filled = catch_unwind(AssertUnwindSafe(|| fill(pool, open, profile, offset, &output)));
        output.end(filled.unwrap_or_else(|panic| Err(Failure::panic(&*panic))));
    };
    let started = thread::Builder::new().name("chunker-pipeline".into()).spawn(work);
    started.map(drop).map_err(|error| Failure::threads(&error))
}

fn fill<R: Read + Send + 'static>(
    pool: Arc<ThreadPool>,
    open: impl FnOnce() -> Result<R, Failure>,
    profile: Profile,
    offset: u64,
    output: &Output,
) -> Result<(), Failure> {
    for chunk in DescriptorPipeline::in_pool(pool, open()?, profile, offset)? {
        let chunk = chunk?;
        if chunk.offset + chunk.length as u64 > MAX_SAFE_INTEGER {
            return Err(Failure::argument("the input is longer than 2^53-1 bytes"));
        }
        if !output.add(&chunk, record::append) {
            break;
        }
    }
    Ok(())
}
