//! What a loss of power or a full disk leaves of a store on a disk.
//!
//! A recorder writes down every call that changes a folder. A replay then lets the power fail after each of
//! them, and loses what POSIX lets be lost: any part of a file that was not synced, and any of the names that
//! were given or taken in a folder since that was synced, each on its own. A store that is opened on what is
//! left must have all that was acknowledged.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use super::changes::{Changes, System};
use super::{Disk, TEMPORARY};
use crate::chunk::ChunkId;
use crate::collect::CollectOptions;
use crate::host::TokioHost;
use crate::options::{CacheFolder, StoreOptions};
use crate::pack::PackDraft;
use crate::pack::encoding::{Incoming, Kind, encode};
use crate::rules::Rules;
use crate::{CheckOptions, CommitError, Root, Store, StoreError};
use bytes::Bytes;
use chunker::Profile;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use futures::TryStreamExt as _;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;
const CHUNK: usize = 4 << 10;

/// A call that changed something, or what the test says of a file.
#[derive(Clone, Debug)]
enum Event {
    Create { path: PathBuf },
    Append { path: PathBuf, bytes: Vec<u8> },
    SyncFile { path: PathBuf },
    Name { path: PathBuf, of: PathBuf },
    Remove { path: PathBuf },
    MakeFolder { path: PathBuf },
    SyncFolder { path: PathBuf },
    Said(Said),
}

/// What is known of a file, by its number, from some moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It is being put or deleted.
    Begun(u64),
    /// The store has said that it is there.
    Stored(u64),
    /// The store has said that it is not.
    Deleted(u64),
}

/// Does what it is told, but syncs nothing, and writes it down.
#[derive(Debug, Default)]
struct Recorder {
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    fn record(
        &self,
        change: impl FnOnce() -> io::Result<()>,
        events: impl IntoIterator<Item = Event>,
    ) -> io::Result<()> {
        let mut log = self.events.lock().unwrap(); // so that the order is that of the calls
        change()?;
        log.extend(events);
        Ok(())
    }

    fn say(&self, said: Said) {
        self.record(|| Ok(()), [Event::Said(said)]).unwrap();
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

impl Changes for Recorder {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        let mut log = self.events.lock().unwrap();
        let file = System.create(path)?;
        log.push(Event::Create { path: path.to_owned() });
        Ok(file)
    }

    fn append(&self, path: &Path, file: &fs::File, parts: &[Bytes]) -> io::Result<()> {
        let append = Event::Append { path: path.to_owned(), bytes: parts.concat() };
        self.record(|| System.append(path, file, parts), [append])
    }

    fn sync(&self, path: &Path, _file: &fs::File) -> io::Result<()> {
        self.record(|| Ok(()), [Event::SyncFile { path: path.to_owned() }])
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = Event::Name { path: to.to_owned(), of: from.to_owned() };
        self.record(|| System.rename(from, to), [name, Event::Remove { path: from.to_owned() }])
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = Event::Name { path: to.to_owned(), of: from.to_owned() };
        self.record(|| System.link(from, to), [name])
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.record(|| System.remove(path), [Event::Remove { path: path.to_owned() }])
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.record(|| System.make_folder(path), [Event::MakeFolder { path: path.to_owned() }])
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.record(|| fs::metadata(path).map(drop), [Event::SyncFolder { path: path.to_owned() }])
    }
}

/// What is on the disk, as a process sees it, and what of that is durable.
#[derive(Clone, Debug, Default)]
struct Machine {
    files: Vec<File>,
    folders: BTreeMap<PathBuf, Names>,
    known: BTreeMap<u64, Said>,
}

#[derive(Clone, Debug)]
struct File {
    bytes: Vec<u8>,
    synced: bool,
}

/// A name stands for a file, by its number, or for a folder.
#[derive(Clone, Copy, Debug)]
enum Entry {
    File(usize),
    Folder,
}

#[derive(Clone, Debug, Default)]
struct Names {
    durable: BTreeMap<PathBuf, Entry>,
    /// What was named, or with `None` removed, since the folder was synced.
    since: Vec<(PathBuf, Option<Entry>)>,
}

impl Names {
    /// Returns the names that there are if these changes last.
    fn with(&self, mut lasts: impl FnMut() -> bool) -> BTreeMap<PathBuf, Entry> {
        let mut names = self.durable.clone();
        for (path, entry) in self.since.iter().filter(|_| lasts()) {
            match entry {
                Some(entry) => drop(names.insert(path.clone(), *entry)),
                None => drop(names.remove(path)),
            }
        }
        names
    }
}

/// Syncs that the replay leaves out, once a store is made, to show that they are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    FileSyncs,
    FolderSyncs(&'static str),
}

impl Machine {
    fn apply(&mut self, event: &Event, without: Without) {
        let mut name = |path: &Path, entry| {
            let folder = self.folders.entry(path.parent().unwrap().to_owned()).or_default();
            folder.since.push((path.to_owned(), entry));
        };
        match event {
            Event::Create { path } => {
                name(path, Some(Entry::File(self.files.len())));
                self.files.push(File { bytes: Vec::new(), synced: false });
            }
            Event::Append { path, bytes } => {
                let file = self.file(path);
                self.files[file].bytes.extend(bytes);
                self.files[file].synced = false;
            }
            Event::MakeFolder { path } => name(path, Some(Entry::Folder)),
            Event::Remove { path } => name(path, None),
            Event::Name { path, of } => {
                let file = self.file(of);
                let folder = self.folders.entry(path.parent().unwrap().to_owned()).or_default();
                folder.since.push((path.clone(), Some(Entry::File(file))));
            }
            Event::SyncFile { path } => {
                let file = self.file(path);
                self.files[file].synced = without != Without::FileSyncs || self.known.is_empty();
            }
            Event::SyncFolder { path } => {
                if !matches!(without, Without::FolderSyncs(folder) if path.ends_with(folder)) {
                    let names = self.folders.entry(path.clone()).or_default();
                    names.durable = names.with(|| true);
                    names.since.clear();
                }
            }
            Event::Said(said) => {
                let (Said::Begun(file) | Said::Stored(file) | Said::Deleted(file)) = said;
                self.known.insert(*file, *said);
            }
        }
    }

    fn file(&self, path: &Path) -> usize {
        match self.folders[path.parent().unwrap()].with(|| true)[path] {
            Entry::File(file) => file,
            Entry::Folder => panic!("{} is a folder", path.display()),
        }
    }

    /// Writes what the loss of power leaves of `from` to the folder `to`.
    fn crash(&self, from: &Path, to: &Path, chance: &mut Chance) {
        fs::create_dir(to).unwrap();
        let Some(names) = self.folders.get(from) else { return };
        for (path, entry) in names.with(|| chance.lasts()) {
            let target = to.join(path.file_name().unwrap());
            match entry {
                Entry::Folder => self.crash(&path, &target, chance),
                Entry::File(file) => {
                    let File { bytes, synced } = &self.files[file];
                    let length = if *synced { bytes.len() } else { chance.part_of(bytes.len()) };
                    fs::write(target, &bytes[..length]).unwrap();
                }
            }
        }
    }
}

/// What lasts that need not.
#[derive(Debug)]
enum Chance {
    Nothing,
    Random(u64),
}

impl Chance {
    fn next(&mut self) -> u64 {
        let Self::Random(state) = self else { return 0 };
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    fn lasts(&mut self) -> bool {
        self.next() % 2 == 1
    }

    fn part_of(&mut self, length: usize) -> usize {
        usize::try_from(self.next()).unwrap() % (length + 1)
    }
}

/// A folder that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chunker-power-{}-{count}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn store(&self) -> PathBuf {
        self.0.join("store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

async fn open(folder: &Path, changes: Arc<dyn Changes>) -> Result<Store, StoreError> {
    let host = Arc::new(TokioHost::new(tokio::runtime::Handle::current()));
    let disk = Arc::new(Disk::with(folder, host.clone(), changes).unwrap());
    let options = StoreOptions::new().level(0).pack_size(3 * CHUNK as u64).cache(CacheFolder::None);
    Store::open_with(disk, host, options, Rules::ALL).await
}

/// The chunks of a file: each has one in common with the next.
fn chunks(file: u64) -> Vec<Vec<u8>> {
    let numbers = [file * 3, file * 3 + 1, file * 3 + 2, file * 3 + 3];
    numbers.map(|number| number.to_le_bytes().repeat(CHUNK / 8)).into()
}

fn manifest(file: u64) -> Manifest {
    let profile = Profile::SMALL.hash(ALGORITHM);
    let data = chunks(file).concat();
    let chunks = chunks(file).into_iter().enumerate().map(|(index, chunk)| {
        let (hash, offset) = (ALGORITHM.digest(&chunk), (index * CHUNK) as u64);
        chunker::chunking::ChunkDescriptor { hash, offset, length: CHUNK }
    });
    let manifest = Manifest::new(profile, chunks.collect()).unwrap();
    assert_eq!(manifest.total_length(), data.len() as u64);
    manifest
}

fn root(file: u64) -> Root {
    Root::new(ALGORITHM, manifest(file).root_digest())
}

/// Puts a file. Odd files use a pack writer, even ones a draft.
async fn put(store: &Store, file: u64) -> Result<Root, CommitError> {
    let digests: Vec<_> = chunks(file).iter().map(|chunk| ALGORITHM.digest(chunk)).collect();
    let missing = store.missing(ALGORITHM, &digests).await?;
    let all = chunks(file).into_iter().map(Bytes::from).zip(digests);
    let new: Vec<_> = all.zip(missing).filter(|(_, is_new)| *is_new).map(|(chunk, _)| chunk).collect();
    if file % 2 == 1 {
        let mut writer = store.pack_writer(ALGORITHM);
        for (bytes, digest) in new {
            writer.add(digest, bytes).await?;
        }
        writer.seal().await?;
    } else {
        let mut draft = PackDraft::new(Arc::clone(&store.inner), Arc::new(()), CHUNK as u64);
        for (bytes, digest) in new {
            let chunk = Incoming { id: ChunkId::new(ALGORITHM, digest), bytes, kind: Kind::Unverified };
            for chunk in encode(vec![chunk], None).unwrap() {
                draft.push(chunk).await;
            }
        }
        draft.store().await?;
    }
    store.commit(&manifest(file)).await
}

async fn collect(store: &Store) -> Result<(), StoreError> {
    let options = CollectOptions::new().min_age(Duration::ZERO).max_waste(5);
    store.collect(options).await.map(drop)
}

async fn roots(store: &Store) -> HashSet<Root> {
    store.manifests().await.unwrap().map_ok(|file| file.root).try_collect().await.unwrap()
}

/// Returns what is wrong with the store that is left.
async fn fault(folder: &Path, machine: &Machine) -> Option<String> {
    let store = match open(folder, Arc::new(Recorder::default())).await {
        Ok(store) => store,
        Err(error) => return Some(format!("cannot be opened: {error:?}")),
    };
    let report = match store.check(CheckOptions::new().read_data(true)).await {
        Ok(report) if report.is_sound() => report,
        report => return Some(format!("is not sound: {report:?}")),
    };
    let listed = roots(&store).await;
    assert_eq!(report.files, listed.len() as u64);
    // Life goes on.
    collect(&store).await.unwrap();
    put(&store, 99).await.unwrap();
    for (&file, said) in &machine.known {
        match (said, listed.contains(&root(file))) {
            (Said::Stored(_), false) => return Some(format!("lacks file {file}")),
            (Said::Deleted(_), true) => return Some(format!("has file {file} again")),
            (_, false) => {}
            (_, true) => {
                let read = store.read(&root(file), None).await.unwrap().try_collect::<Vec<_>>().await;
                if read.is_err() || read.unwrap().concat() != chunks(file).concat() {
                    return Some(format!("loses file {file}"));
                }
            }
        }
    }
    None
}

/// Lets the power fail after every event; returns how often, or the first fault.
async fn replay(events: &[Event], store: &Path, without: Without) -> Result<u32, String> {
    let mut machine = Machine::default();
    let mut losses = 0;
    let above = Event::MakeFolder { path: store.parent().unwrap().to_owned() };
    machine.apply(&above, without);
    for (step, event) in events.iter().enumerate() {
        machine.apply(event, without);
        let seed = (step as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let random = |turn: u64| Chance::Random(seed ^ (turn << 40) | 1);
        for mut chance in [Chance::Nothing, random(1), random(2)] {
            let folder = Folder::new();
            let target = folder.store();
            machine.crash(store.parent().unwrap(), &folder.0.join("above"), &mut chance);
            let left = folder.0.join("above/store");
            if left.is_dir() {
                fs::rename(&left, &target).unwrap();
            }
            losses += 1;
            if let Some(fault) = fault(&target, &machine).await {
                return Err(format!("after event {step}, {event:?}, with {chance:?}, the store {fault}"));
            }
        }
    }
    Ok(losses)
}

/// Records a life of a store: files that are put, deleted, put again, and collections.
async fn life(folder: &Folder) -> Vec<Event> {
    let recorder = Arc::new(Recorder::default());
    let store = open(&folder.store(), recorder.clone()).await.unwrap();
    for step in [1, 2, 3, -1, 0, 4, 1, -2, -3, 0, 5, -4, 0] {
        let file = u64::try_from(i64::abs(step)).unwrap();
        match step {
            0 => collect(&store).await.unwrap(),
            1.. => {
                recorder.say(Said::Begun(file));
                put(&store, file).await.unwrap();
                recorder.say(Said::Stored(file));
            }
            _ => {
                recorder.say(Said::Begun(file));
                assert!(store.delete(&root(file)).await.unwrap());
                recorder.say(Said::Deleted(file));
            }
        }
    }
    recorder.events()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_loss_of_power_at_any_moment() {
    let folder = Folder::new();
    let events = life(&folder).await;
    let losses = replay(&events, &folder.store(), Without::Nothing).await.unwrap();
    println!("{} calls, {losses} losses of power", events.len());
    assert!(events.len() > 150 && losses > 450);
}

#[tokio::test]
async fn without_syncs_a_loss_of_power_does_harm() {
    let folder = Folder::new();
    let events = life(&folder).await;
    for without in [Without::FileSyncs, Without::FolderSyncs("packs"), Without::FolderSyncs("manifests")] {
        let fault = replay(&events, &folder.store(), without).await.unwrap_err();
        println!("{without:?}: {fault}");
    }
}

/// A process that is slow to make the names in a folder durable.
#[derive(Debug)]
struct Slow {
    recorder: Arc<Recorder>,
    folder: &'static str,
    waits: Mutex<bool>,
    woken: Condvar,
}

impl Slow {
    fn wake(&self) {
        *self.waits.lock().unwrap() = false;
        self.woken.notify_all();
    }
}

impl Changes for Slow {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        self.recorder.create(path)
    }

    fn append(&self, path: &Path, file: &fs::File, parts: &[Bytes]) -> io::Result<()> {
        self.recorder.append(path, file, parts)
    }

    fn sync(&self, path: &Path, file: &fs::File) -> io::Result<()> {
        self.recorder.sync(path, file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.recorder.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.recorder.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.recorder.remove(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.recorder.make_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if path.ends_with(self.folder) {
            drop(self.woken.wait_while(self.waits.lock().unwrap(), |waits| *waits).unwrap());
        }
        self.recorder.sync_folder(path)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_relies_on_nothing_of_another_process_before_it_is_durable() {
    // The folder that is slow to sync, and how many files the other process puts there first.
    for (name, count) in [("packs", 2), ("manifests", 1)] {
        let folder = Folder::new();
        let recorder = Arc::new(Recorder::default());
        open(&folder.store(), recorder.clone()).await.unwrap();
        let waits = Mutex::new(true);
        let slow = Slow { recorder: recorder.clone(), folder: name, waits, woken: Condvar::new() };
        let slow = Arc::new(slow);
        let other = open(&folder.store(), slow.clone()).await.unwrap();
        recorder.say(Said::Begun(1));
        let putting = tokio::spawn(async move { put(&other, 1).await });
        // They can be seen, but are not durable.
        let files = || fs::read_dir(folder.store().join(name)).map_or(0, Iterator::count);
        while files() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let store = open(&folder.store(), recorder.clone()).await.unwrap();
        put(&store, 1).await.unwrap();
        recorder.say(Said::Stored(1));
        slow.wake();
        putting.await.unwrap().unwrap();
        replay(&recorder.events(), &folder.store(), Without::Nothing).await.unwrap();
    }
}

/// A disk on which there is no more space after so many calls.
#[derive(Debug, Default)]
struct Full {
    calls_left: AtomicU64,
}

impl Full {
    fn set(&self, calls: u64) {
        self.calls_left.store(calls, Ordering::Relaxed);
    }

    fn need_space(&self) -> io::Result<()> {
        let left =
            self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl Changes for Full {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        self.need_space().and_then(|()| System.create(path))
    }

    fn append(&self, path: &Path, file: &fs::File, parts: &[Bytes]) -> io::Result<()> {
        if let Err(full) = self.need_space() {
            let bytes = Bytes::from(parts.concat());
            System.append(path, file, &[bytes.slice(..bytes.len() / 2)])?;
            return Err(full);
        }
        System.append(path, file, parts)
    }

    fn sync(&self, _path: &Path, _file: &fs::File) -> io::Result<()> {
        self.need_space()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.need_space().and_then(|()| System.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.need_space().and_then(|()| System.link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System.remove(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.need_space().and_then(|()| System.make_folder(path))
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        self.need_space()
    }
}

/// Waits for writes that a failed one left under way: they end on threads of their own.
async fn becomes_empty(folder: &Path) -> bool {
    for _ in 0..1000 {
        if fs::read_dir(folder).map_or(true, |mut files| files.next().is_none()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_half() {
    let mut failures = 0;
    for calls in 0.. {
        let folder = Folder::new();
        let full = Arc::new(Full::default());
        full.set(calls);
        let mut stored = BTreeSet::new();
        let result = async {
            let store = open(&folder.store(), full.clone()).await.map_err(|error| error.code())?;
            for file in [1, 2] {
                put(&store, file).await.map_err(|error| error.code())?;
                stored.insert(file);
            }
            stored.remove(&1);
            store.delete(&root(1)).await.map_err(|error| error.code())?;
            collect(&store).await.map_err(|error| error.code())
        };
        if let Err(code) = result.await {
            assert_eq!(code, "storage_full", "after {calls} calls");
            failures += 1;
        } else {
            break;
        }
        full.set(u64::MAX);
        assert!(becomes_empty(&folder.store().join(TEMPORARY)).await, "half a file after {calls} calls");
        let store = open(&folder.store(), full).await.unwrap();
        let report = store.check(CheckOptions::new().read_data(true)).await.unwrap();
        assert!(report.is_sound(), "after {calls} calls: {report:?}");
        put(&store, 3).await.unwrap();
        stored.insert(3);
        let listed = roots(&store).await;
        assert!(stored.iter().all(|file| listed.contains(&root(*file))), "after {calls} calls");
    }
    println!("{failures} failures");
    assert!(failures > 60, "{failures}");
}
