//! The files that are read.

use crate::args::Global;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use chunker::Profile;
use chunker::chunking::{ChunkMetadata, ChunkPipeline};
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

    /// What the input is called in results and errors; `-` is standard input.
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

    /// Length in bytes, as far as it is known.
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
    /// Ends with the first failure, of `take` too, and when the process is to end.
    pub(crate) fn chunks(
        &self,
        profile: Profile,
        progress: &Progress,
        mut take: impl FnMut(ChunkMetadata) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let failed = |source| Failure::Input { name: self.name(), source };
        let reader = progress.reader(self.open()?);
        for chunk in ChunkPipeline::new(reader, profile).map_err(failed)? {
            interrupt::check()?;
            take(chunk.map_err(failed)?)?;
        }
        Ok(())
    }
}

/// Returns the length of all `files` together, unless one has none or cannot be read.
pub(crate) fn total_length(files: &[PathBuf]) -> Option<u64> {
    files.iter().map(|path| Input::new(path).length()).sum()
}

/// Does `work` with every file, and says which failed; ends with the first failure that is not the file's.
///
/// # Errors
/// [`Failure::Some`], if some failed; with one file its failure.
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
    if failed > 0 { Err(Failure::Some { failed, total: files.len(), done }) } else { Ok(()) }
}
