//! Input files.

use crate::args::Global;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, ChunkMetadata, ChunkPipeline, ChunkingError, DescriptorPipeline};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file to read, or standard input.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    path: &'a Path,
}

impl<'a> Input<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// Name of the input in results and errors; `-` is standard input.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The file, if it can be read a second time.
    pub(crate) fn file(&self) -> Option<&'a Path> {
        let is_file = self.path.metadata().is_ok_and(|metadata| metadata.is_file());
        Some(self.path).filter(|_| is_file && !self.is_standard_input())
    }

    fn is_standard_input(&self) -> bool {
        self.path == Path::new("-")
    }

    /// Length in bytes, if it is known.
    fn length(&self) -> Option<u64> {
        self.file()?.metadata().ok().map(|metadata| metadata.len())
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, Failure> {
        if self.is_standard_input() {
            return Ok(Box::new(io::stdin()));
        }
        let opened = File::open(self.path).and_then(|file| Ok((file.metadata()?.is_dir(), file)));
        match opened {
            Ok((true, _)) => Err(Failure::Folder { name: self.name() }),
            Ok((false, file)) => Ok(Box::new(file)),
            Err(source) => Err(Failure::Open { name: self.name(), source }),
        }
    }

    /// Calls `take` with every chunk, in order, while more are read and hashed by all cores.
    ///
    /// Ends at the first failure, including one of `take`, and when the process is asked to end.
    pub(crate) fn chunks(
        &self,
        profile: Profile,
        progress: &Progress,
        take: impl FnMut(ChunkMetadata) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let pipeline = ChunkPipeline::new(progress.reader(self.open()?), profile);
        self.take_each(pipeline.map_err(|source| self.failed(source))?, take)
    }

    /// Like [`chunks`](Self::chunks), without their bytes.
    pub(crate) fn descriptors(
        &self,
        profile: Profile,
        progress: &Progress,
        take: impl FnMut(ChunkDescriptor) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let pipeline = DescriptorPipeline::new(progress.reader(self.open()?), profile);
        self.take_each(pipeline.map_err(|source| self.failed(source))?, take)
    }

    fn take_each<T>(
        &self,
        chunks: impl Iterator<Item = Result<T, ChunkingError>>,
        mut take: impl FnMut(T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for chunk in chunks {
            interrupt::check()?;
            take(chunk.map_err(|source| self.failed(source))?)?;
        }
        Ok(())
    }

    fn failed(&self, source: ChunkingError) -> Failure {
        Failure::Input { name: self.name(), source }
    }
}

/// Returns the total length of all `files`, unless one has no length or cannot be read.
pub(crate) fn total_length(files: &[PathBuf]) -> Option<u64> {
    files.iter().map(|path| Input::new(path).length()).sum()
}

/// Does `work` with every file, and prints which failed; ends at the first failure that is not about a file.
///
/// # Errors
/// [`Failure::Some`] if some files failed; with a single file, its failure.
pub(crate) fn each(
    global: &Global,
    files: &[PathBuf],
    done: &'static str,
    progress: &Progress,
    mut work: impl FnMut(&Input<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut failed = 0;
    for path in files {
        interrupt::check()?;
        match work(&Input::new(path)) {
            Err(failure) if failure.is_of_input() && files.len() > 1 => {
                progress.suspend(|| failure.print(global.json));
                failed += 1;
            }
            result => result?,
        }
    }
    summary(global, files.len(), done, failed, Vec::new())
}

/// Prints how many of `total` files failed: those whose failures were printed, and those of `failures`.
///
/// # Errors
/// [`Failure::Some`] if some files failed; with a single file, its failure.
pub(crate) fn summary(
    global: &Global,
    total: usize,
    done: &'static str,
    printed: usize,
    mut failures: Vec<Failure>,
) -> Result<(), Failure> {
    if total == 1 {
        return failures.pop().map_or(Ok(()), Err);
    }
    failures.iter().for_each(|failure| failure.print(global.json));
    let failed = printed + failures.len();
    if failed > 0 { Err(Failure::Some { failed, total, done }) } else { Ok(()) }
}
