//! Objects as files in a folder; this module makes them durable.
//!
//! A file is written under a temporary name, synced, renamed, and its folder is synced: after a crash, it is
//! complete or absent.

mod buffers;
mod changes;
mod draft;
#[cfg(test)]
mod power_loss;

use super::{Draft, Folder, Found, GotMany, ObjectError, Objects, Operation, Wanted};
use crate::format;
use crate::host::{Host, start_work};
use buffers::Buffers;
use bytes::Bytes;
use changes::{Changes, System};
use draft::{DiskDraft, TemporaryFile};
use futures::stream::{self, StreamExt as _};
use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// Folder of files that are not complete yet.
const TEMPORARY: &str = "tmp";

/// Small files to read together.
const TOGETHER: usize = 64;

/// Objects in the files of a folder.
#[derive(Debug)]
pub(crate) struct Disk {
    inner: Arc<Inner>,
    url: String,
    host: Arc<dyn Host>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    changes: Arc<dyn Changes>,
    /// The store's format as it was when the store was opened.
    format: OnceLock<Bytes>,
    /// Folders whose names this process has made durable, because their creator may not have done it yet.
    durable: Mutex<HashSet<PathBuf>>,
    buffers: Buffers,
}

impl Inner {
    fn new(root: PathBuf, changes: Arc<dyn Changes>) -> Self {
        Self {
            root,
            changes,
            format: OnceLock::new(),
            durable: Mutex::default(),
            buffers: Buffers::default(),
        }
    }
}

impl Disk {
    /// Returns the objects in `root`, a folder that need not exist.
    pub(crate) fn new(root: &Path, host: Arc<dyn Host>) -> io::Result<Self> {
        Self::with(root, host, Arc::new(System))
    }

    fn with(root: &Path, host: Arc<dyn Host>, changes: Arc<dyn Changes>) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        let url = format!("file://{}", root.display());
        Ok(Self { inner: Arc::new(Inner::new(root, changes)), url, host })
    }

    /// Returns an unused name.
    fn temporary(&self, name: &str) -> Result<String, ObjectError> {
        let mut random = [0; 16];
        self.host.random(&mut random).map_err(|error| ObjectError::from_io(Operation::Put, name, error))?;
        Ok(hex::encode(random))
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
        let temporary = self.temporary(name)?;
        self.run(Operation::Put, name, move |disk, name| disk.put(name, &temporary, &parts)).await
    }

    fn draft(self: Arc<Self>) -> Result<Box<dyn Draft>, ObjectError> {
        let temporary = self.temporary(TEMPORARY)?;
        Ok(Box::new(DiskDraft::new(self, temporary)))
    }

    fn temporary_folder(&self) -> Option<PathBuf> {
        Some(self.inner.path(TEMPORARY))
    }

    async fn create(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let temporary = self.temporary(name)?;
        self.run(Operation::Put, name, move |disk, name| disk.create(name, &temporary, bytes)).await
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.run(Operation::Get, name, |disk, name| {
            let bytes = disk.get(name, range)?;
            if name == format::NAME {
                disk.format.get_or_init(|| bytes.clone());
            }
            Ok(bytes)
        })
        .await
    }

    fn get_many(self: Arc<Self>, mut wanted: Wanted, _concurrency: usize) -> GotMany {
        let parallelism = self.host.parallelism();
        // Switching threads costs more than reading a small file.
        let groups = std::iter::from_fn(move || {
            let group: Vec<_> = wanted.by_ref().take(TOGETHER).collect();
            (!group.is_empty()).then_some(group)
        });
        let reads = groups.map(move |group| {
            let inner = Arc::clone(&self.inner);
            let work = start_work(&self.host, move || {
                let read = |(name, range): (String, Range<u64>)| {
                    let bytes = inner.get(&name, Some(range));
                    bytes.map_err(|error| ObjectError::from_io(Operation::Get, &name, error))
                };
                group.into_iter().map(read).collect()
            });
            async {
                let lost = |error| ObjectError::from_io(Operation::Get, "", io::Error::other(error));
                stream::iter(work.await.unwrap_or_else(|error| vec![Err(lost(error))]))
            }
        });
        stream::iter(reads).buffered(parallelism).flatten().boxed()
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
            disk.check_store()?;
            let path = disk.path(name);
            match disk.changes.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                // A manifest that a crash brings back would name collected chunks. Any other object does no
                // harm.
                Ok(()) if name.starts_with(Folder::Manifests.name()) => disk.sync_folder_of(&path),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn rename(&self, from: &str, to: &str) -> Option<Result<(), ObjectError>> {
        let to = to.to_owned();
        let renamed = self.run(Operation::Put, from, move |disk, from| {
            let (from, to) = (disk.path(from), disk.path(&to));
            disk.check_store()?;
            disk.make_folder_of(&to)?;
            disk.changes.rename(&from, &to)?;
            disk.sync_folder_of(&to)?;
            disk.sync_folder_of(&from)
        });
        Some(renamed.await)
    }

    fn renews(&self) -> bool {
        true
    }

    async fn renew(&self, name: &str, bytes: &Bytes) -> Result<bool, ObjectError> {
        let (bytes, now) = (bytes.clone(), self.host.now());
        self.run(Operation::Put, name, move |disk, name| disk.renew(name, &bytes, now)).await
    }

    async fn settle(&self, folder: Folder) -> Result<(), ObjectError> {
        self.run(Operation::Put, folder.name(), |disk, folder| disk.sync_folder(&disk.path(folder))).await
    }

    async fn holds_anything(&self) -> Result<bool, ObjectError> {
        self.run(Operation::List, "", |disk, _| disk.holds_anything()).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<u64, ObjectError> {
        let now = self.host.now();
        self.run(Operation::Delete, TEMPORARY, move |disk, folder| {
            let mut removed = 0;
            for file in disk.list(folder, None)? {
                if now.duration_since(file.modified).is_ok_and(|age| age > older_than) {
                    match disk.changes.remove(&disk.path(folder).join(file.name)) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {} // by another collector
                        removal => {
                            removal?;
                            removed += 1;
                        }
                    }
                }
            }
            Ok(removed)
        })
        .await
    }

    fn is_of_one(&self, error: &ObjectError) -> bool {
        use io::ErrorKind::{Interrupted, OutOfMemory, StaleNetworkFileHandle, TimedOut};
        !matches!(error.kind, Interrupted | OutOfMemory | StaleNetworkFileHandle | TimedOut)
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
        self.write(name, temporary, parts, |temporary, path| self.changes.rename(temporary, path))
    }

    /// Writes a file unless the name exists.
    fn create(&self, name: &str, temporary: &str, bytes: Bytes) -> io::Result<()> {
        let changes = &self.changes;
        self.write(name, temporary, &[bytes], |temporary, path| match changes.link(temporary, path) {
            Ok(()) => changes.remove(temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => changes.remove(temporary),
            Err(_) => changes.rename(temporary, path), // this file system has no links
        })
    }

    /// Writes a file, and lets `publish` give it its name.
    fn write(
        &self,
        name: &str,
        temporary: &str,
        parts: &[Bytes],
        publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = self.create_temporary(temporary)?;
        file.append(parts)?;
        self.publish(file, name, publish)
    }

    /// Checks that the store was not removed, unmounted or replaced since it was opened. New data would be
    /// lost, and chunks that we count on may be gone.
    fn check_store(&self) -> io::Result<()> {
        let Some(format) = self.format.get() else { return Ok(()) }; // it is about to be created
        match fs::read(self.path(format::NAME)) {
            Ok(found) if found == *format => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Err(io::Error::other("the store was removed or replaced while it was open")),
        }
    }

    /// Creates an empty temporary file.
    fn create_temporary(&self, temporary: &str) -> io::Result<TemporaryFile> {
        self.check_store()?;
        let path = self.path(TEMPORARY).join(temporary);
        self.make_folder_of(&path)?;
        TemporaryFile::create(Arc::clone(&self.changes), path)
    }

    /// Makes a temporary file durable under the name that `publish` gives it.
    fn publish(
        &self,
        file: TemporaryFile,
        name: &str,
        publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        self.check_store()?;
        let path = self.path(name);
        self.make_folder_of(&path)?;
        file.publish(|temporary| publish(temporary, &path))?;
        self.sync_folder_of(&path)
    }

    /// Sets the time of a file if it has exactly these bytes, makes its name durable, and returns whether it did.
    fn renew(&self, name: &str, bytes: &[u8], now: SystemTime) -> io::Result<bool> {
        let path = self.path(name);
        let file = match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        if !holds(&file, bytes)? {
            return Ok(false);
        }
        self.check_store()?;
        file.set_modified(now)?;
        self.sync_folder_of(&path)?;
        Ok(true)
    }

    /// Returns whether there is anything besides a store's empty folders and temporary files.
    fn holds_anything(&self) -> io::Result<bool> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        for entry in entries {
            let (name, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
            let ours = name == TEMPORARY || Folder::ALL.iter().any(|folder| name == folder.name());
            let empty = ours && path.is_dir() && (name == TEMPORARY || fs::read_dir(path)?.next().is_none());
            if !empty {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn get(&self, name: &str, range: Option<Range<u64>>) -> io::Result<Bytes> {
        let mut file = File::open(self.path(name))?;
        let size = file.metadata()?.len();
        let range = range.unwrap_or(0..size);
        if range.end > size || range.start > range.end {
            let message = format!("range {}..{} of {size} bytes", range.start, range.end);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        file.seek(SeekFrom::Start(range.start))?;
        self.read(&file, &range)
    }

    /// Reads a range of a file that is positioned at the start of the range.
    fn read(&self, file: &File, range: &Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let bytes = self.buffers.read(file, length)?;
        if bytes.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
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
            let Some(metadata) = metadata(&entry.path())? else { continue };
            if metadata.is_file() {
                files.push(Found { name, size: metadata.len(), modified: metadata.modified()? });
            }
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// Creates the folder of a file that is about to be written, and its parents, durably.
    fn make_folder_of(&self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        let known = |durable: &Mutex<HashSet<PathBuf>>| {
            durable.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
        };
        if known(&self.durable) && folder.is_dir() {
            return Ok(());
        }
        let missing = folder.ancestors().take_while(|above| !above.is_dir() || above.starts_with(&self.root));
        let missing: Vec<_> = missing.collect();
        for folder in missing.iter().rev() {
            match self.changes.make_folder(folder) {
                Err(error) if !folder.is_dir() => return Err(error),
                _ => {}
            }
        }
        missing.into_iter().try_for_each(|folder| self.sync_folder_of(folder))?;
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        Ok(())
    }

    /// Makes the names in the folder of `path` durable, as far as the file system can.
    fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    /// Makes the names in a folder durable, as far as the file system can.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match self.changes.sync_folder(folder) {
            Err(error) if is_fatal(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Returns whether a file has exactly these bytes.
fn holds(file: &File, mut bytes: &[u8]) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(bytes.is_empty());
        }
        let Some(rest) = bytes.strip_prefix(piece) else { return Ok(false) };
        bytes = rest;
        let length = piece.len();
        reader.consume(length);
    }
}

/// Returns the metadata of a name, or `None` if the name was removed in the meantime. A link without its target
/// is an error: the object belongs to the store, and must not be treated as absent.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(_) => Err(io::Error::other(format!("{} is a dangling link", path.display()))),
            Err(error) => Err(error),
        },
        metadata => metadata.map(Some),
    }
}

/// Returns whether a folder's sync failed, or cannot be had: SMB, FUSE and some NAS answer EINVAL, ENOTSUP or
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
        let disk = Inner::new(root.clone(), Arc::new(System));
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

    #[test]
    fn a_folder_that_somebody_else_has_made_is_made_durable() {
        let root = std::env::temp_dir().join(format!("chunker-store-made-{}", std::process::id()));
        fs::create_dir_all(root.join("packs")).unwrap();
        let disk = Inner::new(root.clone(), Arc::new(System));
        disk.put("packs/one", "a", &[Bytes::from_static(b"whole")]).unwrap();
        let durable = disk.durable.lock().unwrap().clone();
        assert_eq!(durable, [root.join("packs"), root.join(TEMPORARY)].into());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn of_several_that_create_a_file_the_first_wins() {
        let root = std::env::temp_dir().join(format!("chunker-store-create-{}", std::process::id()));
        let disk = Inner::new(root.clone(), Arc::new(System));
        for (temporary, text) in [("a", "first"), ("b", "second")] {
            disk.create("format", temporary, Bytes::from_static(text.as_bytes())).unwrap();
        }
        assert_eq!(disk.get("format", None).unwrap(), "first");
        assert!(disk.list(TEMPORARY, None).unwrap().is_empty());
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
