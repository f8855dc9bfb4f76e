//! Progress on standard error, for long operations on a terminal.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, Read};
use std::time::Duration;

const BYTES: &str =
    "{msg} {bytes:>11} of {total_bytes:<11} [{bar:24}] {binary_bytes_per_sec:>13}, {eta} left";
const ENDLESS: &str = "{spinner} {msg} {bytes:>11} {binary_bytes_per_sec:>13} {elapsed}";
const WAITING: &str = "{spinner} {msg} {elapsed}";
const STEPS: &str = "{msg} {pos:>7} of {len:<7} [{bar:24}] {eta} left";

/// A line that shows how far the work has come; it vanishes when this is dropped.
///
/// Nothing is shown if standard error is not a terminal, or with `--quiet`.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows bytes of `total`, which is `None` if it is unknown.
    pub(crate) fn bytes(output: Output, message: &'static str, total: Option<u64>) -> Self {
        Self::new(output, message, if total.is_some() { BYTES } else { ENDLESS }, total)
    }

    /// Shows steps, whose number is not known yet.
    pub(crate) fn steps(output: Output, message: &'static str) -> Self {
        Self::new(output, message, WAITING, None)
    }

    /// Shows nothing.
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    fn new(output: Output, message: &'static str, template: &str, total: Option<u64>) -> Self {
        if output.quiet {
            return Self::hidden();
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_message(message);
        if !bar.is_hidden() {
            bar.set_style(style(template));
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Shows that `done` of `total` steps are done; the message names the step.
    pub(crate) fn step(&self, message: &'static str, done: u64, total: u64) {
        if !self.bar.is_hidden() {
            if self.bar.length().is_none() {
                self.bar.set_style(style(STEPS));
            }
            self.bar.set_message(message);
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }

    /// Hides the progress while `print` runs.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Returns a reader that counts what it reads.
    pub(crate) fn reader<R: Read>(&self, reader: R) -> CountingReader<R> {
        CountingReader { reader, progress: self.clone() }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// A reader that shows how much was read.
#[derive(Debug)]
pub(crate) struct CountingReader<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.progress.add(length as u64);
        Ok(length)
    }
}
