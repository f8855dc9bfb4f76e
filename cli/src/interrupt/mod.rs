//! Handles Ctrl-C and other signals that ask the process to end.
//!
//! A signal is recorded. The command sees it at its next step and ends as after an error, so that unfinished
//! output is removed. If it does not see the signal soon, because it waits for input, or if a second signal
//! comes, the process ends at once, but still removes the temporary file of the output.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "windows.rs")]
mod signals;

use crate::failure::Failure;
pub(crate) use signals::Signals;
use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has it"))]
    Hangup,
    Interrupt,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has it"))]
    Terminate,
}

impl Signal {
    /// The exit status of a process that ends by this signal: 128 plus its number, as in shells.
    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Hangup => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// How long a command may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);

static RECEIVED: OnceLock<Signal> = OnceLock::new();
static TEMPORARY: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Starts to listen for signals. If that is not possible, they end the process as usual.
pub(crate) fn listen(json: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let Ok(mut signals) = runtime.block_on(async { Signals::new() }) else { return };
    let watch = move || {
        runtime.block_on(async {
            let signal = signals.next().await;
            if RECEIVED.set(signal).is_ok() {
                drop(tokio::time::timeout(GRACE, signals.next()).await);
            }
            remove_temporary();
            Failure::Interrupted(signal).print(json);
            std::process::exit(signal.status().into());
        });
    };
    drop(thread::Builder::new().name("chunker-signals".to_owned()).spawn(watch));
}

/// Fails once a signal has come.
pub(crate) fn check() -> Result<(), Failure> {
    RECEIVED.get().map_or(Ok(()), |&signal| Err(Failure::Interrupted(signal)))
}

/// Waits for `work`, and abandons it at its next pause once a signal has come.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut work = pin!(work);
    loop {
        if let Ok(done) = tokio::time::timeout(Duration::from_millis(100), &mut work).await {
            return Ok(done);
        }
        check()?;
    }
}

/// Sets the file to remove if the process must exit immediately.
pub(crate) fn set_temporary(path: Option<PathBuf>) {
    *TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner) = path;
}

fn remove_temporary() {
    // Keeps the lock: from now on, the file must not get its name or be registered.
    let path = TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = path.as_ref() {
        drop(std::fs::remove_file(path)); // it may be gone already
    }
    std::mem::forget(path);
}
