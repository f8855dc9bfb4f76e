//! The target of a restored file.

use crate::failure::Failure;
use crate::interrupt;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// A file being written, under a temporary name beside its target until it is complete.
#[derive(Debug)]
pub(crate) struct Target {
    file: File,
    /// `None` for a target that cannot be replaced, such as a pipe, which is written directly.
    temporary: Option<TempPath>,
    path: PathBuf,
    replaces: bool,
}

impl Target {
    /// Starts the file `path`; an existing one stays until [`finish`](Self::finish).
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        Self::create(path).map_err(|source| failed(path, source))
    }

    fn create(path: &Path) -> io::Result<Self> {
        let (path, existing) = follow_links(path)?;
        match &existing {
            Some(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Some(metadata) if !metadata.is_file() => {
                let file = File::options().write(true).open(&path)?;
                return Ok(Self { file, temporary: None, path, replaces: false });
            }
            _ => {}
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".chunker-").suffix(".part");
        let (file, temporary) = new_file(&builder, folder)?.into_parts();
        interrupt::set_temporary(Some(temporary.to_path_buf()));
        if let Some(metadata) = &existing {
            file.set_permissions(metadata.permissions())?;
        }
        Ok(Self { file, temporary: Some(temporary), path, replaces: existing.is_some() })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns whether bytes can be written in any order.
    pub(crate) fn is_seekable(&self) -> bool {
        self.temporary.is_some()
    }

    /// Gives the file its name, and replaces an existing one.
    ///
    /// The file is on the disk before it replaces another: a crash leaves one or the other.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self { file, temporary, path, replaces } = self;
        let Some(temporary) = temporary else { return Ok(()) };
        if replaces {
            file.sync_all().map_err(|source| failed(&path, source))?;
        }
        drop(file);
        let persisted = temporary.persist(&path).map_err(|error| failed(&path, error.error));
        interrupt::set_temporary(None);
        persisted
    }
}

/// Limit for links to follow, as on Linux.
const MAX_LINKS: usize = 40;

/// Follows all links, and returns the path they lead to and its metadata, or `None` if nothing is there.
///
/// A link stays a link: what it points to is replaced, or created.
///
/// # Errors
/// A loop of links; a parent that is not a folder, or cannot be entered.
fn follow_links(path: &Path) -> io::Result<(PathBuf, Option<Metadata>)> {
    match fs::metadata(path) {
        // `/dev/stdout` may lead to a pipe, which has no path.
        Ok(metadata) => {
            return Ok((fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()), Some(metadata)));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok((path, None)),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Output { name: path.display().to_string(), source }
}

/// Creates a file with the permissions of an ordinary new file, not those of a temporary one.
#[cfg(unix)]
fn new_file(builder: &tempfile::Builder<'_, '_>, folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::OpenOptionsExt as _;
    builder.make_in(folder, |path| {
        File::options().read(true).write(true).create_new(true).mode(0o666).open(path)
    })
}

#[cfg(not(unix))]
fn new_file(builder: &tempfile::Builder<'_, '_>, folder: &Path) -> io::Result<NamedTempFile> {
    builder.tempfile_in(folder)
}
