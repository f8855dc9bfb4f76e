//! `chunker put`: reads, cuts and hashes files, asks which chunks the store lacks, compresses and writes those,
//! and commits the files.

use crate::args::{Global, Put};
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::interrupt;
use crate::output::{count, saved, size};
use crate::progress::Progress;
use crate::session::{MANIFEST_LIMIT, Session};
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, ChunkMetadata};
use chunker::manifest::Manifest;
use chunker_store::{ChunkId, CommitError, PackWriter, Root, StoreOptions};
use futures::StreamExt as _;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Instant;

/// Limits for one question to the store: chunks, and bytes of chunks.
const WINDOW: (usize, usize) = (512, 8 << 20);
/// Digests to remember, so that the store is not asked again: 64 MiB of them.
const KNOWN: usize = 1 << 20;
/// Limits for committing together: files, and new bytes of files.
const GROUP: (usize, u64) = (256, 256 << 20);
/// Files to commit at the same time.
const COMMITS: usize = 8;
/// How often to add chunks again that a collection deleted before the commit.
const ATTEMPTS: u32 = 3;
/// Bytes of a manifest: for each chunk, and at most for the rest.
const MANIFEST_BYTES: (u64, u64) = (36, 512);

pub(crate) fn run(global: &Global, options: &Put) -> Result<(), Failure> {
    let start = Instant::now();
    let session = Session::open(global, StoreOptions::new().level(options.compression.level))?;
    let progress = Progress::bytes(session.output, "storing", input::total_length(&options.files));
    let mut upload = Upload::new(&session, options.cutting.profile(), &progress);
    let result = input::each(global, &options.files, "stored", &progress, |input| upload.add(input));
    // Stores the files that could be read, even if others could not.
    let unread = match result {
        Ok(()) => 0,
        Err(Failure::Some { failed, .. }) => failed,
        Err(failure) => return Err(failure),
    };
    upload.commit()?;
    progress.clear();
    let total = Total { seconds: start.elapsed().as_secs_f64(), ..upload.total };
    if total.files > 0 || global.json {
        session.output.print_aside(&total, total.line())?;
    }
    input::summary(global, options.files.len(), "stored", unread, upload.failures)
}

/// The totals to print at the end.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Total {
    files: u64,
    size: u64,
    new_bytes: u64,
    stored_bytes: u64,
    seconds: f64,
}

impl Total {
    fn line(&self) -> String {
        format!(
            "{} in {}: {} new, stored in {}; saved {}",
            size(self.size),
            count(self.files, "file"),
            size(self.new_bytes),
            size(self.stored_bytes),
            saved(self.stored_bytes, self.size)
        )
    }
}

/// The line to print about a file.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    file: &'a str,
    root: String,
    size: u64,
    chunks: usize,
    new_chunks: u64,
    new_bytes: u64,
}

/// A file that was read completely, and is committed once its chunks are durable.
#[derive(Debug)]
struct Waiting {
    name: String,
    /// Where it can be read again.
    path: Option<PathBuf>,
    manifest: Manifest,
    new_chunks: u64,
    new_bytes: u64,
}

struct Upload<'a> {
    session: &'a Session,
    profile: Profile,
    progress: &'a Progress,
    writer: PackWriter,
    /// Chunks that the store has, or that are in the window or the writer. Each is looked up once.
    known: HashSet<[u8; 32]>,
    /// Chunks that the store was not asked about yet.
    window: Vec<ChunkMetadata>,
    window_bytes: usize,
    /// New chunks of the file that is being read, and their bytes.
    new: (u64, u64),
    waiting: Vec<Waiting>,
    /// Why files that were read were not committed.
    failures: Vec<Failure>,
    total: Total,
}

impl<'a> Upload<'a> {
    fn new(session: &'a Session, profile: Profile, progress: &'a Progress) -> Self {
        Self {
            session,
            profile,
            progress,
            writer: session.store.pack_writer(profile.hash_algorithm()),
            known: HashSet::new(),
            window: Vec::new(),
            window_bytes: 0,
            new: (0, 0),
            waiting: Vec::new(),
            failures: Vec::new(),
            total: Total::default(),
        }
    }

    /// Reads a file, and adds the chunks that the store lacks.
    fn add(&mut self, input: &Input<'_>) -> Result<(), Failure> {
        self.new = (0, 0);
        let chunks = self.add_chunks(input).inspect_err(|_| {
            // The store was not asked about these chunks, so it is unknown whether it has them.
            self.window_bytes = 0;
            for chunk in self.window.drain(..) {
                self.known.remove(&chunk.hash);
            }
        })?;
        let manifest = Manifest::new(self.profile, chunks)?;
        let (new_chunks, new_bytes) = self.new;
        let path = input.file().map(PathBuf::from);
        self.waiting.push(Waiting { name: input.name(), path, manifest, new_chunks, new_bytes });
        let new_bytes: u64 = self.waiting.iter().map(|file| file.new_bytes).sum();
        if self.waiting.len() >= GROUP.0 || new_bytes >= GROUP.1 { self.commit() } else { Ok(()) }
    }

    fn add_chunks(&mut self, input: &Input<'_>) -> Result<Vec<ChunkDescriptor>, Failure> {
        let mut chunks = Vec::new();
        let (entry, rest) = MANIFEST_BYTES;
        input.chunks(self.profile, self.progress, |chunk| {
            if chunks.len() as u64 * entry + rest > MANIFEST_LIMIT {
                return Err(Failure::TooManyChunks { name: input.name(), limit: MANIFEST_LIMIT });
            }
            chunks.push(chunk.descriptor());
            self.add_chunk(chunk)
        })?;
        self.flush()?;
        Ok(chunks)
    }

    fn add_chunk(&mut self, chunk: ChunkMetadata) -> Result<(), Failure> {
        if self.known.insert(chunk.hash) {
            self.window_bytes += chunk.length;
            self.window.push(chunk);
            if self.window.len() >= WINDOW.0 || self.window_bytes >= WINDOW.1 {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Asks which chunks of the window the store lacks, and adds those.
    fn flush(&mut self) -> Result<(), Failure> {
        let Self { session, writer, window, new, .. } = self;
        let digests: Vec<_> = window.iter().map(|chunk| chunk.hash).collect();
        session.wait_interruptibly(async {
            let missing = session.store.missing(self.profile.hash_algorithm(), &digests).await?;
            for (chunk, missing) in window.drain(..).zip(missing) {
                if missing && writer.add_hashed(chunk.hash, chunk.payload).await? {
                    *new = (new.0 + 1, new.1 + chunk.length as u64);
                }
            }
            Ok::<_, Failure>(())
        })??;
        self.window_bytes = 0;
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        Ok(())
    }

    /// Makes all chunks durable, then commits the waiting files.
    fn commit(&mut self) -> Result<(), Failure> {
        self.seal()?;
        interrupt::check()?;
        let waiting = std::mem::take(&mut self.waiting);
        let store = &self.session.store;
        let commits = futures::stream::iter(waiting.iter().map(|file| store.commit(&file.manifest)));
        let roots: Vec<_> = self.session.wait(commits.buffered(COMMITS).collect());
        for (file, root) in waiting.iter().zip(roots) {
            let root = match root {
                Err(CommitError::MissingChunks { chunks }) => self.add_again(file, chunks),
                root => root.map_err(Failure::from),
            };
            match root {
                Ok(root) => self.report(file, root)?,
                Err(failure) if failure.is_of_input() => self.failures.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Failure> {
        let sealed = self.session.wait_interruptibly(self.writer.seal())??;
        self.total.stored_bytes += sealed.stored_bytes;
        Ok(())
    }

    /// Adds chunks again that a collection deleted after the store was asked about them.
    fn add_again(&mut self, file: &Waiting, mut missing: Vec<ChunkId>) -> Result<Root, Failure> {
        let changed = || Failure::InputChanged { name: file.name.clone() };
        let collected = || Failure::InputCollected { name: file.name.clone() };
        let path = file.path.as_ref().ok_or_else(collected)?;
        let chunks: HashMap<_, _> = file.manifest.chunks().iter().map(|chunk| (chunk.hash, chunk)).collect();
        for _ in 0..ATTEMPTS {
            for id in &missing {
                let chunk = chunks.get(&id.digest).ok_or_else(changed)?;
                let bytes = read_chunk(path, chunk);
                let bytes = bytes.map_err(|source| Failure::Open { name: file.name.clone(), source })?;
                if id.algorithm.digest(&bytes) != id.digest {
                    return Err(changed());
                }
                self.session.wait(self.writer.add_hashed(id.digest, bytes.into()))?;
            }
            self.seal()?;
            match self.session.wait(self.session.store.commit(&file.manifest)) {
                Err(CommitError::MissingChunks { chunks }) => missing = chunks,
                root => return Ok(root?),
            }
        }
        Err(collected())
    }

    fn report(&mut self, file: &Waiting, root: Root) -> Result<(), Failure> {
        let stored = Stored {
            file: &file.name,
            root: root.to_string(),
            size: file.manifest.total_length(),
            chunks: file.manifest.chunks().len(),
            new_chunks: file.new_chunks,
            new_bytes: file.new_bytes,
        };
        self.total.files += 1;
        self.total.size += stored.size;
        self.total.new_bytes += stored.new_bytes;
        let output = self.session.output;
        self.progress.suspend(|| {
            if output.quiet {
                return output.print(&stored, root);
            }
            let (length, new) = (size(stored.size), size(stored.new_bytes));
            output.print(&stored, format_args!("{root}  {length:>10}  {new:>10} new  {}", file.name))
        })
    }
}

fn read_chunk(path: &PathBuf, chunk: &ChunkDescriptor) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(chunk.offset))?;
    let mut bytes = Vec::new();
    file.take(chunk.length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
