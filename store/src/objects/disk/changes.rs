//! The calls that change a folder of a disk. Their order decides what a loss of power leaves, so that a test
//! can record them.

#[cfg_attr(not(unix), path = "changes/no_folder_sync.rs")]
mod folder_sync;

use bytes::Bytes;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

pub(crate) trait Changes: fmt::Debug + Send + Sync {
    /// Creates an empty file; its name is not durable yet.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Appends `parts` to `file`, which is at `path`.
    fn append(&self, path: &Path, file: &File, parts: &[Bytes]) -> io::Result<()>;

    /// Makes the bytes of `file`, which is at `path`, durable.
    fn sync(&self, path: &Path, file: &File) -> io::Result<()>;

    /// Gives a file another name, in place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name that nothing has.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder in one that is there.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// Small parts are written together, up to this many bytes: a pack has checksums of 8 bytes.
const BUFFER: usize = 64 << 10;

/// Longer parts are written in pieces of this many bytes. For a larger write, Linux 6.18 allocates page-cache folios
/// of 2 MiB or more, which a virtual machine with free page reporting first has to get from its host: 512 MiB took
/// 0.6 s of CPU time in writes of 4 MiB, and 0.1 s in writes of 512 KiB.
const LONGEST: usize = 512 << 10;

/// The calls of the operating system.
#[derive(Debug)]
pub(crate) struct System;

impl Changes for System {
    fn create(&self, path: &Path) -> io::Result<File> {
        File::create_new(path)
    }

    fn append(&self, _path: &Path, file: &File, parts: &[Bytes]) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(BUFFER, file);
        for piece in parts.iter().flat_map(|part| part.chunks(LONGEST)) {
            writer.write_all(piece)?;
        }
        writer.flush()
    }

    fn sync(&self, _path: &Path, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        folder_sync::sync(path)
    }
}
