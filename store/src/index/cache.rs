//! The folder with the snapshots of one store. If anything goes wrong here, the store works without it.

use super::snapshot::{self, Snapshot};
use super::view::Parts;
use crate::host::{Host, Moment};
use crate::name::TimeName;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How the name of a snapshot starts.
const INDEX: &str = "index-";
/// How the name of an incomplete file starts.
const TEMPORARY: &str = "new-";

/// How long the store waits for its cache before it continues without it.
pub(crate) const CACHE_PATIENCE: Duration = Duration::from_secs(30);

/// How long nothing is spooled after a failure.
const SPOOL_PAUSE: Duration = Duration::from_secs(60);

/// The folder, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
    enabled: Arc<AtomicBool>,
    /// Whether a snapshot is being written: an older one must not replace a newer one.
    busy: Arc<AtomicBool>,
    spool_failed: Arc<Mutex<Option<Moment>>>,
}

/// The turn to write a snapshot; it ends when this is dropped.
pub(crate) struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Cache {
    /// Returns the folder within `caches` for the store with this address and id.
    pub(crate) fn new(caches: Option<&Path>, url: &str, id: TimeName) -> Self {
        let digest = blake3::hash(format!("{url}\n{id}").as_bytes());
        let folder = caches.map(|caches| caches.join(&digest.to_hex()[..32]));
        let enabled = Arc::new(folder.is_some().into());
        Self { folder, enabled, busy: Arc::default(), spool_failed: Arc::default() }
    }

    /// Returns the folder for spools, unless one has failed there recently.
    pub(crate) fn spool_folder(&self, host: &dyn Host) -> Option<PathBuf> {
        let failed = *self.spool_failed.lock().unwrap_or_else(PoisonError::into_inner);
        let may_work = failed.is_none_or(|failed| failed.age(host) > SPOOL_PAUSE);
        self.folder.clone().filter(|_| may_work && self.is_enabled())
    }

    /// Spools nothing for a while: the disk may be full.
    pub(crate) fn spool_failed(&self, host: &dyn Host) {
        *self.spool_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Moment::now(host));
    }

    /// Returns the turn to write a snapshot, unless it is taken.
    pub(crate) fn turn(&self) -> Option<Turn<'_>> {
        (!self.busy.swap(true, Ordering::Acquire)).then(|| Turn(&self.busy))
    }

    /// Returns whether snapshots are kept.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Keeps no snapshots from now on: the folder cannot be written, or its content is damaged.
    pub(crate) fn disable(&self) {
        self.enabled.store(false, Ordering::Relaxed);
    }

    /// Removes all snapshots, and keeps none from now on.
    pub(crate) fn discard(&self) {
        self.disable();
        if let Some(folder) = &self.folder {
            for name in names(folder, INDEX).into_iter().flatten() {
                drop(fs::remove_file(folder.join(name)));
            }
        }
    }

    /// Returns the newest snapshot that is sound.
    pub(crate) fn open(&self) -> Option<Snapshot> {
        let folder = self.folder.as_ref()?;
        let mut names: Vec<_> = names(folder, INDEX).ok()?.collect();
        names.sort_unstable();
        names.iter().rev().find_map(|name| Snapshot::open(&folder.join(name)))
    }

    /// Writes a snapshot, removes older ones, and opens it.
    pub(crate) fn write(&self, parts: &Parts, name: TimeName, now: SystemTime) -> io::Result<Snapshot> {
        let folder = self.folder.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        fs::create_dir_all(folder)?;
        let name = later_name(folder, name)?;
        let temporary = folder.join(format!("{TEMPORARY}{name}"));
        let path = folder.join(format!("{INDEX}{name}"));
        let written = write(&temporary, parts).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written?;
        let snapshot = Snapshot::open(&path).ok_or(io::ErrorKind::InvalidData)?;
        self.remove_older(folder, &path, now);
        Ok(snapshot)
    }

    #[expect(clippy::unused_self, reason = "it belongs to the folder")]
    fn remove_older(&self, folder: &Path, newest: &Path, now: SystemTime) {
        let older = names(folder, INDEX).into_iter().flatten().map(|name| folder.join(name));
        for path in older.filter(|path| path.as_path() < newest) {
            drop(fs::remove_file(path)); // who has it mapped keeps it
        }
        for name in names(folder, TEMPORARY).into_iter().flatten() {
            let path = folder.join(name);
            let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
            if age.is_some_and(|age| age > Duration::from_hours(1)) {
                drop(fs::remove_file(path));
            }
        }
    }
}

fn write(path: &Path, parts: &Parts) -> io::Result<()> {
    let most = parts.most_rows();
    if parts.packs.len() >= u32::MAX as usize || most >= u32::MAX as usize {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    snapshot::write(File::create_new(path)?, &parts.packs, most, parts.rows())
}

/// Returns `name`, or a name after those of all snapshots, so that a clock that was once ahead does not keep
/// an old snapshot in use. Removes names that leave no later one.
fn later_name(folder: &Path, name: TimeName) -> io::Result<TimeName> {
    let mut latest = name;
    for other in names(folder, INDEX)? {
        match other[INDEX.len()..].parse::<TimeName>().ok().map(TimeName::next) {
            Some(Some(next)) => latest = latest.max(next),
            _ => drop(fs::remove_file(folder.join(other))),
        }
    }
    Ok(latest)
}

/// Returns the names in a folder that start with a prefix.
fn names(folder: &Path, prefix: &'static str) -> io::Result<impl Iterator<Item = String>> {
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(move |name| name.starts_with(prefix)))
}
