//! Dictionaries. Training takes seconds and cannot be done in slices, so it runs on a separate thread.

use crate::failure::Failure;
use crate::terms::{Bytes, Items};
use chunker::compression::{Codec, CompressionError, dictionary};
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::{Atom, Env, NifResult, Term};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Only one dictionary is trained at a time, however many callers wait.
static TRAINING: Mutex<()> = Mutex::new(());

type Dictionary = Result<Bytes<Vec<u8>>, Failure>;

/// Starts to train a dictionary of at most `max_size` bytes for inputs like the samples, and then sends the
/// caller `{reference, result}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn train_dictionary_start_dirty(
    env: Env<'_>,
    samples: Term<'_>,
    max_size: Term<'_>,
    reference: Term<'_>,
) -> NifResult<Result<Atom, Failure>> {
    let items: Items<'_> = samples.decode()?;
    let Ok(max_size) = max_size.decode() else { return Ok(Err(Failure::ARGUMENT)) };
    if items.binaries().contains(&None) {
        return Ok(Err(Failure::ARGUMENT));
    }
    // Binaries above 64 bytes are shared with this environment, not copied.
    let mut own = OwnedEnv::new();
    let (samples, reference) = (own.save(samples), own.save(reference));
    let caller = env.pid();
    let training = move || {
        // A panic would leave the caller waiting.
        let trained = catch_unwind(AssertUnwindSafe(|| own.run(|env| trained(env, &samples, max_size))));
        let result = trained.unwrap_or_else(|_| Err(failed(io::Error::other("training panicked"))));
        // Fails when the caller has ended.
        let _ = own.send_and_clear(&caller, |env| (reference.load(env), result));
    };
    let started = std::thread::Builder::new().name("chunker-training".into()).spawn(training);
    Ok(started.map(|_| rustler::types::atom::ok()).map_err(failed))
}

fn failed(source: io::Error) -> Failure {
    CompressionError::Failed { codec: Codec::Zstd, source }.into()
}

fn trained(env: Env<'_>, samples: &SavedTerm, max_size: usize) -> Dictionary {
    let items: Items<'_> = samples.load(env).decode().map_err(|_| Failure::ARGUMENT)?;
    let samples: Vec<&[u8]> = items.binaries().into_iter().flatten().collect();
    let _one_at_a_time = TRAINING.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Bytes(dictionary::train(&samples, max_size)?))
}
