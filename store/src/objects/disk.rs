//! Objects as files of a folder, made durable here.
//!
//! A file is written under a temporary name, synced, renamed, and its folder is synced: after a crash it
//! is whole or not there.

#[cfg_attr(not(unix), path = "disk/no_folder_sync.rs")]
mod folder_sync;

use super::{Folder, Found, ObjectError, Objects, Operation};
use crate::host::{Host, start_work};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where files lie until they are whole.
const TEMPORARY: &str = "tmp";

/// A folder whose files are objects.
#[derive(Debug)]
pub(crate) struct Disk {
    inner: Arc<Inner>,
    url: String,
    host: Arc<dyn Host>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
}

impl Disk {
    /// Returns the objects in `root`, a folder that need not exist.
    pub(crate) fn new(root: &Path, host: Arc<dyn Host>) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        let url = format!("file://{}", root.display());
        Ok(Self { inner: Arc::new(Inner { root }), url, host })
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        name: &str,
        work: impl FnOnce(&Inner, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let (inner, owned) = (Arc::clone(&self.inner), name.to_owned());
        let result = start_work(&self.host, move || work(&inner, &owned)).await;
        result
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| ObjectError::from_io(operation, name, error))
    }
}

#[async_trait::async_trait]
impl Objects for Disk {
    fn url(&self) -> &str {
        &self.url
    }

    async fn put(&self, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        let mut random = [0; 16];
        self.host.random(&mut random).map_err(|error| ObjectError::from_io(Operation::Put, name, error))?;
        let temporary = hex::encode(random);
        self.run(Operation::Put, name, move |disk, name| disk.put(name, &temporary, &parts)).await
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.run(Operation::Get, name, |disk, name| disk.get(name, range)).await
    }

    async fn head(&self, name: &str) -> Result<Found, ObjectError> {
        self.run(Operation::Get, name, |disk, name| {
            let metadata = fs::metadata(disk.path(name))?;
            let name = name.rsplit('/').next().unwrap_or(name).to_owned();
            Ok(Found { name, size: metadata.len(), modified: metadata.modified()? })
        })
        .await
    }

    async fn list(&self, folder: Folder, after: Option<&str>) -> Result<Vec<Found>, ObjectError> {
        let after = after.map(str::to_owned);
        self.run(Operation::List, folder.name(), move |disk, folder| disk.list(folder, after.as_deref()))
            .await
    }

    async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.run(Operation::Delete, name, |disk, name| {
            let path = disk.path(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                // A manifest that a crash brings back would name chunks that are collected; any other object
                // does no harm.
                Ok(()) if name.starts_with(Folder::Manifests.name()) => sync_folder_of(&path),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn rename(&self, from: &str, to: &str) -> Option<Result<(), ObjectError>> {
        let to = to.to_owned();
        let renamed = self.run(Operation::Put, from, move |disk, from| {
            let (from, to) = (disk.path(from), disk.path(&to));
            disk.make_folder_of(&to)?;
            fs::rename(&from, &to)?;
            sync_folder_of(&to)?;
            sync_folder_of(&from)
        });
        Some(renamed.await)
    }

    async fn holds_anything(&self) -> Result<bool, ObjectError> {
        self.run(Operation::List, "", |disk, _| match fs::read_dir(&disk.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            entries => Ok(entries?.next().is_some()),
        })
        .await
    }

    async fn sweep(&self, older_than: Duration) -> Result<u64, ObjectError> {
        let now = self.host.now();
        self.run(Operation::Delete, TEMPORARY, move |disk, folder| {
            let mut removed = 0;
            for file in disk.list(folder, None)? {
                if now.duration_since(file.modified).is_ok_and(|age| age > older_than) {
                    fs::remove_file(disk.path(folder).join(file.name))?;
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    fn gap(&self) -> u64 {
        16 << 10
    }
}

impl Inner {
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn put(&self, name: &str, temporary: &str, parts: &[Bytes]) -> io::Result<()> {
        let path = self.path(name);
        self.make_folder_of(&path)?;
        let temporary = self.path(TEMPORARY).join(temporary);
        self.make_folder_of(&temporary)?;
        let written = write_synced(&temporary, parts).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written?;
        sync_folder_of(&path)
    }

    fn get(&self, name: &str, range: Option<Range<u64>>) -> io::Result<Bytes> {
        let mut file = File::open(self.path(name))?;
        let size = file.metadata()?.len();
        let range = range.unwrap_or(0..size);
        if range.end > size || range.start > range.end {
            let message = format!("range {}..{} of {size} bytes", range.start, range.end);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes.into())
    }

    fn list(&self, folder: &str, after: Option<&str>) -> io::Result<Vec<Found>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if after.is_some_and(|after| *name <= *after) {
                continue;
            }
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // removed meanwhile
                metadata => metadata?,
            };
            if metadata.is_file() {
                files.push(Found { name, size: metadata.len(), modified: metadata.modified()? });
            }
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// Makes the folder of a file that is about to be written, and those above it, durably.
    fn make_folder_of(&self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        if folder.is_dir() {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut above = folder;
        while !above.is_dir() {
            missing.push(above);
            let Some(next) = above.parent() else { break };
            above = next;
        }
        fs::create_dir_all(folder)?;
        missing.into_iter().try_for_each(sync_folder_of)
    }
}

fn write_synced(path: &Path, parts: &[Bytes]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// Makes the names in the folder of `path` durable, as far as the file system can.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    match folder_sync::sync(folder) {
        Err(error) if is_fatal(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Says whether a folder's sync failed, or cannot be had: SMB, FUSE and some NAS answer EINVAL, ENOTSUP or
/// ENOENT.
fn is_fatal(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_get_its_name_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("chunker-store-disk-{}", std::process::id()));
        let disk = Inner { root: root.clone() };
        disk.put("packs/one", "a", &[Bytes::from_static(b"whole")]).unwrap();
        fs::create_dir_all(root.join("packs/two/folder")).unwrap();
        assert!(disk.put("packs/two", "b", &[Bytes::from_static(b"lost")]).is_err());
        let names = |folder| disk.list(folder, None).unwrap().into_iter().map(|file| file.name);
        assert_eq!(names("packs").collect::<Vec<_>>(), ["one"]);
        assert_eq!(names(TEMPORARY).count(), 0);
        assert_eq!(disk.get("packs/one", Some(1..4)).unwrap(), "hol");
        assert!(disk.get("packs/one", Some(1..6)).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_cannot_be_synced_is_not_fatal() {
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        const ENOENT: i32 = 2;
        const EINVAL: i32 = 22;
        const ENOTSUP: i32 = 95;
        for (code, fatal) in [(EIO, true), (ENOSPC, true), (ENOENT, false), (EINVAL, false), (ENOTSUP, false)]
        {
            assert_eq!(is_fatal(&io::Error::from_raw_os_error(code)), fatal, "{code}");
        }
    }
}
