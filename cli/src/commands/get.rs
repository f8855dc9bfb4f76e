//! `chunker get`: restores a file, or a part of it, verified.

use crate::args::{Get, Global};
use crate::failure::Failure;
use crate::input::Input;
use crate::interrupt;
use crate::output::{Output, size};
use crate::progress::Progress;
use crate::session::Session;
use crate::target::Target;
use chunker::chunking::ChunkDescriptor;
use chunker::manifest::Manifest;
use chunker_store::{ChunkError, ChunkId, Root, StoreError};
use futures::TryStreamExt as _;
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Seek as _, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

pub(crate) fn run(global: &Global, options: &Get) -> Result<(), Failure> {
    let session = Session::open_existing(global)?;
    let root = options.root.resolve(&session)?;
    let manifest = session.wait(session.store.manifest(&root))?;
    let length = manifest.total_length();
    let range = match options.range {
        None => 0..length,
        Some(range) => {
            let satisfied = range.of(length);
            satisfied.ok_or_else(|| Failure::Range { range: range.to_string(), length })?
        }
    };
    let total = range.end - range.start;
    let Some(path) = &options.output else {
        let watched = !io::stdout().is_terminal();
        let progress = if watched { progress(session.output, total) } else { Progress::hidden() };
        let result = copy(&session, &manifest, range, &progress, io::stdout(), Failure::of_standard_output);
        progress.clear();
        return result;
    };
    let progress = progress(session.output, total);
    let target = Target::new(path)?;
    let result = match &options.reuse {
        Some(old) if target.is_seekable() => {
            let restore = Restore { session: &session, manifest: &manifest, progress: &progress, path };
            restore.with(Input::new(old), target.file())
        }
        _ => copy(&session, &manifest, range, &progress, target.file(), failed(path)).map(|()| 0),
    };
    progress.clear();
    let reused_bytes = result?;
    interrupt::check()?;
    target.finish()?;
    report(session.output, path, root, total, options.reuse.is_some().then_some(reused_bytes))
}

fn progress(output: Output, total: u64) -> Progress {
    Progress::bytes(output, "restoring", Some(total))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure {
    |source| Failure::Output { name: path.display().to_string(), source }
}

/// The line to print about a restored file.
#[derive(Debug, Serialize)]
struct Restored {
    file: String,
    root: String,
    size: u64,
    reused_bytes: u64,
}

fn report(output: Output, path: &Path, root: Root, length: u64, reused: Option<u64>) -> Result<(), Failure> {
    let file = path.display().to_string();
    let from_old = reused.map_or_else(String::new, |bytes| format!(", {} of it reused", size(bytes)));
    let text = format!("{file}  {}{from_old}", size(length));
    let restored = Restored { file, root: root.to_string(), size: length, reused_bytes: reused.unwrap_or(0) };
    output.print_aside(&restored, text)
}

/// Writes a range of the file from start to end.
fn copy(
    session: &Session,
    manifest: &Manifest,
    range: Range<u64>,
    progress: &Progress,
    mut writer: impl Write,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let mut pieces = session.store.read_manifest(manifest, Some(range))?;
    while let Some(piece) = session.wait_interruptibly(pieces.try_next())?? {
        writer.write_all(&piece).map_err(&failed)?;
        progress.add(piece.len() as u64);
    }
    writer.flush().map_err(&failed)
}

/// A restoration that takes chunks from an older file where it can.
struct Restore<'a> {
    session: &'a Session,
    manifest: &'a Manifest,
    progress: &'a Progress,
    path: &'a Path,
}

/// The manifest's entries of the chunks that are still needed, by digest.
type Wanted<'a> = HashMap<[u8; 32], Vec<&'a ChunkDescriptor>>;

impl Restore<'_> {
    /// Writes the file, and returns how many bytes came from the old one.
    ///
    /// Reads the old file once: writes each needed chunk as soon as it is hashed, from the same bytes. All
    /// others come from the store.
    fn with(&self, old: Input<'_>, target: &File) -> Result<u64, Failure> {
        target.set_len(self.manifest.total_length()).map_err(failed(self.path))?;
        let mut wanted = Wanted::new();
        for chunk in self.manifest.chunks() {
            wanted.entry(chunk.hash).or_default().push(chunk);
        }
        let mut reused = 0;
        old.chunks(self.manifest.profile(), &Progress::hidden(), |chunk| {
            reused += self.write(target, &mut wanted, chunk.hash, &chunk.payload)?;
            Ok(())
        })?;
        self.fetch(target, wanted)?;
        Ok(reused)
    }

    /// Fetches the needed chunks, each once, in the order of the file.
    fn fetch(&self, target: &File, mut wanted: Wanted<'_>) -> Result<(), Failure> {
        let algorithm = self.manifest.hash_algorithm();
        let first = |chunk: &&ChunkDescriptor| {
            wanted.get(&chunk.hash).is_some_and(|entries| entries.first() == Some(chunk))
        };
        let digests: Vec<_> = self.manifest.chunks().iter().filter(first).map(|chunk| chunk.hash).collect();
        let mut chunks = self.session.store.get_many(algorithm, digests);
        while let Some((digest, chunk)) = self.session.wait_interruptibly(chunks.try_next())?? {
            let id = ChunkId::new(algorithm, digest);
            let chunk = chunk.ok_or(StoreError::ChunkNotFound { chunk: id })?;
            self.write(target, &mut wanted, digest, &chunk)?;
        }
        Ok(())
    }

    /// Writes a chunk to all its places, and returns the number of bytes written.
    ///
    /// # Errors
    /// [`ChunkError::Length`], if the manifest gives the chunk another length. A manifest may do so and
    /// still have its root: that covers the lengths, but does not prove them.
    fn write(
        &self,
        mut target: &File,
        wanted: &mut Wanted<'_>,
        digest: [u8; 32],
        bytes: &[u8],
    ) -> Result<u64, Failure> {
        let entries = wanted.remove(&digest).unwrap_or_default();
        if entries.iter().any(|entry| entry.length != bytes.len()) {
            let id = ChunkId::new(self.manifest.hash_algorithm(), digest);
            return Err(StoreError::from(ChunkError::Length { id, length: bytes.len() }).into());
        }
        for entry in &entries {
            let written = target.seek(SeekFrom::Start(entry.offset)).and_then(|_| target.write_all(bytes));
            written.map_err(failed(self.path))?;
            self.progress.add(bytes.len() as u64);
        }
        Ok(bytes.len() as u64 * entries.len() as u64)
    }
}
