//! pyfastcdc, in a Python process that waits for work.

use crate::Sizes;
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct PyFastCdc {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PyFastCdc {
    pub(crate) fn start(python: &str) -> Result<Self> {
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/cut.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (questions, answers) = pipes.ok_or_else(|| Error::other("no pipes to Python"))?;
        Ok(Self { process, questions, answers: BufReader::new(answers) })
    }

    /// Returns the CPU seconds of one cut of the file, and the number of its chunks.
    pub(crate) fn cut(&mut self, file: &Path, sizes: Sizes) -> Result<(f64, usize)> {
        let Sizes { min, avg, max } = sizes;
        writeln!(self.questions, "{} {min} {avg} {max}", file.display())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let parsed = answer.split_once(' ').map(|(seconds, chunks)| (seconds.parse(), chunks.trim().parse()));
        match parsed {
            Some((Ok(seconds), Ok(chunks))) => Ok((seconds, chunks)),
            _ => Err(Error::other(format!("pyfastcdc answered {answer:?}"))),
        }
    }
}

impl Drop for PyFastCdc {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
