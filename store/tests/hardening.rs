//! What hostile or unlucky surroundings must not do to a store: each law was once broken.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use bytes::Bytes;
use chunker::Profile;
use chunker::chunking::ChunkDescriptor;
use chunker::compression::DecompressionLimits;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::host::TokioHost;
use chunker_store::{
    CacheFolder, CheckOptions, CollectOptions, Progress, Root, Step, Store, StoreError, StoreOptions,
};
use common::{Folder, file, manifest, put, read};
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const ALGORITHM: HashAlgorithm = HashAlgorithm::Sha256;

fn options() -> StoreOptions {
    StoreOptions::new().pack_size(64 << 10).level(0).cache(CacheFolder::None)
}

async fn open(path: &Path) -> Store {
    Store::open(path.to_str().unwrap(), options()).await.unwrap()
}

fn now() -> CollectOptions {
    CollectOptions::new().min_age(Duration::ZERO)
}

fn objects(store: &Path, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(store.join(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Returns a zstd frame of one raw block, at most 128 KiB, that asks for a window of `2^window_log` bytes.
fn frame(content: &[u8], window_log: u8) -> Bytes {
    let block = u32::try_from(content.len()).unwrap() << 3 | 1;
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    [&head, &block.to_le_bytes()[..3], content].concat().into()
}

#[tokio::test]
async fn a_frame_that_is_acknowledged_can_be_read() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    for window_log in [17, 23, 24, 27, 30] {
        let chunk = file(100_000, u64::from(window_log));
        let digest = ALGORITHM.digest(&chunk);
        let frame = frame(&chunk, window_log);
        let mut writer = store.pack_writer(ALGORITHM);
        let limits = DecompressionLimits::default().with_max_window_log(30);
        assert!(writer.add_compressed(digest, frame.clone(), limits).await.unwrap());
        let stored = writer.seal().await.unwrap().stored_bytes;
        assert_eq!(stored == frame.len() as u64, window_log <= 23, "what readers can decompress is kept");
        assert_eq!(store.get(ALGORITHM, digest).await.unwrap().unwrap(), chunk, "{window_log}");
        let mut writer = store.pack_writer(ALGORITHM);
        let limits = limits.with_max_window_log(u32::from(window_log) - 1);
        writer.add_compressed(digest, frame, limits).await.unwrap();
        assert_eq!(writer.seal().await.unwrap_err().code(), "window_exceeded", "{window_log}");
    }
    let mut writer = store.pack_writer(ALGORITHM);
    let limits = DecompressionLimits::default().with_max_window_log(31);
    writer.add_compressed([0; 32], frame(b"chunk", 10), limits).await.unwrap();
    assert_eq!(writer.seal().await.unwrap_err().code(), "invalid_window_log");
}

#[cfg(unix)]
#[tokio::test]
async fn a_collection_sees_objects_behind_links() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let store = open(folder.path()).await;
    let data = file(200_000, 41);
    let root = put(&store, &data, ALGORITHM).await;
    for (number, path) in
        objects(folder.path(), "packs").into_iter().chain(objects(folder.path(), "manifests")).enumerate()
    {
        let target = elsewhere.path().join(number.to_string());
        fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
    }
    let store = open(folder.path()).await;
    assert_eq!(store.collect(now()).await.unwrap().files, 1);
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    // What a link names may come back, and with it a file that needs chunks.
    let manifest = objects(folder.path(), "manifests").remove(0);
    let target = fs::read_link(&manifest).unwrap();
    fs::rename(&target, elsewhere.path().join("away")).unwrap();
    assert_eq!(store.collect(now()).await.unwrap_err().code(), "storage_failed");
    fs::rename(elsewhere.path().join("away"), &target).unwrap();
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
}

#[tokio::test]
async fn a_dry_run_writes_and_deletes_nothing() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(200_000, 42);
    let root = put(&store, &data, ALGORITHM).await;
    let pending = folder.path().join("pending/019331c5-8f00-7000-8000-000000000005");
    fs::create_dir_all(pending.parent().unwrap()).unwrap();
    fs::write(&pending, manifest(&data, ALGORITHM).to_bytes()).unwrap();
    let old = SystemTime::now() - Duration::from_hours(49);
    fs::File::options().write(true).open(&pending).unwrap().set_modified(old).unwrap();
    store.delete(&root).await.unwrap();
    let all =
        || ["packs", "pending", "dooms", "finished", "clock", "tmp"].map(|name| objects(folder.path(), name));
    let before = all();
    let report = store.collect(now().dry_run(true)).await.unwrap();
    assert_eq!((report.expired_commits, report.deleted_packs), (1, 0));
    assert!(report.doomed_packs > 0);
    assert_eq!(all(), before);
    assert_eq!(store.collect(now()).await.unwrap().expired_commits, 1);
    assert!(!pending.exists());
}

/// A manifest of the same chunks that says other lengths.
fn lying(data: &[u8]) -> Manifest {
    let honest = manifest(data, ALGORITHM);
    let mut chunks = honest.chunks().to_vec();
    chunks[0].length += 1;
    for chunk in &mut chunks[1..] {
        chunk.offset += 1;
    }
    Manifest::new(Profile::SMALL.hash(ALGORITHM), chunks).unwrap()
}

#[tokio::test]
async fn a_manifest_with_wrong_lengths_is_neither_committed_nor_called_sound() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(200_000, 43);
    put(&store, &data, ALGORITHM).await;
    let lying = lying(&data);
    let error = store.commit(&lying).await.unwrap_err();
    assert_eq!(error.code(), "chunk_length_mismatch");
    assert!(objects(folder.path(), "pending").is_empty());
    let root = Root::new(ALGORITHM, lying.root_digest());
    fs::write(folder.path().join("manifests").join(root.to_string()), lying.to_bytes()).unwrap();
    for read_data in [false, true] {
        let report = store.check(CheckOptions::new().read_data(read_data)).await.unwrap();
        assert_eq!(report.hurt_files.iter().map(|file| file.root).collect::<Vec<_>>(), [root]);
        assert_eq!(report.hurt_files[0].chunks.len(), 1);
    }
}

#[tokio::test]
async fn a_manifest_under_the_name_of_another_algorithm_is_refused() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(100_000, 44);
    put(&store, &data, ALGORITHM).await;
    let bytes = manifest(&data, ALGORITHM).to_bytes();
    let root = Root::new(HashAlgorithm::Blake3, HashAlgorithm::Blake3.digest(&bytes));
    fs::write(folder.path().join("manifests").join(root.to_string()), bytes).unwrap();
    assert_eq!(store.manifest(&root).await.unwrap_err().code(), "manifest_algorithm_mismatch");
    let report = store.check(CheckOptions::new()).await.unwrap();
    assert_eq!(report.hurt_files.iter().map(|file| file.root).collect::<Vec<_>>(), [root]);
}

#[tokio::test]
async fn a_store_whose_making_was_interrupted_can_be_made() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path().join("tmp")).unwrap();
    fs::write(folder.path().join("tmp/0123"), "chunker-").unwrap();
    for name in ["packs", "dooms", "finished", "pending", "manifests", "clock"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let data = file(100_000, 45);
    let store = open(folder.path()).await;
    let root = put(&store, &data, ALGORITHM).await;
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    fs::remove_file(folder.path().join("format")).unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(Store::open(path, options()).await.unwrap_err().code(), "not_a_store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_make_a_store_at_the_same_time_make_one() {
    for _ in 0..40 {
        let folder = Folder::new();
        let path = folder.path().join("store").to_str().unwrap().to_owned();
        let makers = (0..6).map(|maker| {
            let path = path.clone();
            let options = options().listing_lag(Duration::from_millis(maker));
            tokio::spawn(async move { Store::open(&path, options).await })
        });
        for maker in futures::future::join_all(makers).await {
            maker.unwrap().unwrap();
        }
        assert!(objects(Path::new(&path), "tmp").is_empty());
    }
}

#[tokio::test]
async fn sizes_that_no_store_has_are_refused_without_reading() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(100_000, 46);
    let root = put(&store, &data, ALGORITHM).await;
    let huge = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::options().write(true).create(true).truncate(false).open(path).unwrap().set_len(200 << 30)
    };
    huge("dooms/019331c5-8f00-7000-8000-000000000005").unwrap();
    huge("packs/019331c5-8f00-7000-8000-000000000006").unwrap();
    let store = open(folder.path()).await;
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    assert_eq!(store.commit(&manifest(&data, ALGORITHM)).await.unwrap_err().code(), "invalid_doom");
    assert_eq!(store.check(CheckOptions::new()).await.unwrap().damaged_packs.len(), 1);
    huge("format").unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(Store::open(path, options()).await.unwrap_err().code(), "not_a_store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn collectors_do_not_trip_over_each_other() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let old = SystemTime::now() - Duration::from_hours(49);
    for round in 0..5 {
        for number in 0..200 {
            let path = folder.path().join(format!("tmp/{round}-{number}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create_new(path).unwrap().set_modified(old).unwrap();
        }
        let collectors = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.collect(now()).await.map(|report| report.removed_temporaries) })
        });
        let removed = futures::future::join_all(collectors).await;
        let removed: u64 = removed.into_iter().map(|removed| removed.unwrap().unwrap()).sum();
        assert_eq!(removed, 200);
    }
}

#[tokio::test]
async fn a_cache_that_is_wrong_about_packs_harms_nobody() {
    let (folder, cache) = (Folder::new(), Folder::new());
    let options = || options().cache(CacheFolder::At(cache.path().into()));
    let path = folder.path().to_str().unwrap().to_owned();
    let digest = |chunk: &[u8]| ALGORITHM.digest(chunk);
    let store = Store::open(&path, options()).await.unwrap();
    // Two packs of one size, and two of other sizes.
    let chunks = [file(3_000, 1), file(3_000, 2), file(4_000, 3), file(5_000, 4)];
    for chunk in &chunks {
        let mut writer = store.pack_writer(ALGORITHM);
        writer.add(digest(chunk), chunk.clone().into()).await.unwrap();
        writer.seal().await.unwrap();
    }
    let data = file(200_000, 47);
    put(&store, &data, ALGORITHM).await; // a commit writes the cache
    let packs = objects(folder.path(), "packs");
    for (one, two) in [(0, 1), (2, 3)] {
        let aside = folder.path().join("aside");
        fs::rename(&packs[one], &aside).unwrap();
        fs::rename(&packs[two], &packs[one]).unwrap();
        fs::rename(&aside, &packs[two]).unwrap();
    }
    for check_first in [false, true] {
        let store = Store::open(&path, options()).await.unwrap();
        if check_first {
            let report = store.check(CheckOptions::new().read_data(true).repair(true)).await.unwrap();
            assert!(report.is_sound(), "{report:?}");
            assert_eq!(report.deleted_packs, 0);
        }
        for chunk in &chunks {
            assert_eq!(store.get(ALGORITHM, digest(chunk)).await.unwrap().unwrap(), *chunk);
        }
    }
    assert_eq!(objects(folder.path(), "packs"), packs);
}

#[tokio::test]
async fn a_damaged_pending_manifest_is_reported_with_its_reason() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let name = "pending/019331c5-8f00-7000-8000-000000000005";
    fs::create_dir_all(folder.path().join("pending")).unwrap();
    fs::write(folder.path().join(name), "CDCMNFT").unwrap();
    let report = store.check(CheckOptions::new()).await.unwrap();
    assert!(!report.is_sound());
    assert_eq!(report.strange_objects, [name]);
    assert_eq!(report.damaged_objects[0].name, name);
    assert!(matches!(report.damaged_objects[0].error, StoreError::Manifest { .. }));
}

#[tokio::test]
async fn a_damaged_doom_is_seen_before_an_upload_and_there_is_a_way_out() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(200_000, 48);
    let root = put(&store, &data, ALGORITHM).await;
    let name = "dooms/019331c5-8f00-7000-8000-000000000005";
    fs::create_dir_all(folder.path().join("dooms")).unwrap();
    fs::write(folder.path().join(name), "019331c5-8f00-7000").unwrap();
    let store = open(folder.path()).await;
    assert_eq!(store.missing(ALGORITHM, &[[1; 32]]).await.unwrap_err().code(), "invalid_doom");
    let report = store.check(CheckOptions::new()).await.unwrap();
    assert_eq!(report.damaged_objects[0].name, name);
    assert_eq!(report.damaged_objects[0].error.code(), "invalid_doom");
    fs::remove_file(folder.path().join(name)).unwrap();
    assert!(store.check(CheckOptions::new().repair(true)).await.unwrap().is_sound());
    assert_eq!(put(&store, &data, ALGORITHM).await, root);
    store.collect(now()).await.unwrap();
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
}

#[tokio::test]
async fn a_collection_that_deletes_nothing_reads_each_manifest_once() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    put(&store, &file(200_000, 49), ALGORITHM).await;
    let reads = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&reads);
    let count = move |Progress { step, .. }| {
        counter.fetch_add(u64::from(step == Step::ReadManifests), Ordering::Relaxed);
    };
    let report = store.collect(now().progress(count)).await.unwrap();
    assert_eq!((report.files, report.deleted_packs, reads.load(Ordering::Relaxed)), (1, 0, 1));
}

#[tokio::test]
async fn a_snapshot_of_the_future_does_not_last() {
    let (folder, cache) = (Folder::new(), Folder::new());
    let options = options().cache(CacheFolder::At(cache.path().into()));
    let store = Store::open(folder.path().to_str().unwrap(), options.clone()).await.unwrap();
    put(&store, &file(300_000, 50), ALGORITHM).await;
    let caches = objects(cache.path(), "").remove(0);
    let snapshot = objects(&caches, "").remove(0);
    for name in [
        "index-fffffff0-ffff-7fff-bfff-ffffffffffff",
        "index-ffffffff-ffff-ffff-ffff-ffffffffffff",
        "index-z",
    ] {
        fs::copy(&snapshot, caches.join(name)).unwrap();
    }
    put(&store, &file(300_000, 51), ALGORITHM).await;
    let left = objects(&caches, "");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(fs::metadata(&left[0]).unwrap().len() > 0 && !left[0].ends_with("index-z"));
}

/// Objects in memory, some of which cannot be read.
#[derive(Debug, Default)]
struct Unreadable {
    objects: object_store::memory::InMemory,
    names: Mutex<HashSet<object_store::path::Path>>,
    /// Nothing can be read.
    down: AtomicBool,
    /// Bytes that were read.
    read: AtomicU64,
    /// Lists that were made.
    lists: AtomicU64,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreadable")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Unreadable {
    async fn put_opts(
        &self,
        location: &object_store::path::Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &object_store::path::Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &object_store::path::Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        if self.down.load(Ordering::Relaxed) || self.names.lock().unwrap().contains(location) {
            let source = "access denied".into();
            return Err(object_store::Error::PermissionDenied { path: location.to_string(), source });
        }
        let result = self.objects.get_opts(location, options).await;
        let bytes = result.as_ref().map_or(0, |result| result.range.end - result.range.start);
        self.read.fetch_add(bytes, Ordering::Relaxed);
        result
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<object_store::path::Path>>,
    ) -> BoxStream<'static, object_store::Result<object_store::path::Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&object_store::path::Path>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&object_store::path::Path>,
    ) -> object_store::Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &object_store::path::Path,
        to: &object_store::path::Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

impl Unreadable {
    async fn open(self: &Arc<Self>) -> Store {
        let host = Arc::new(TokioHost::new(tokio::runtime::Handle::current()));
        let objects: Arc<dyn ObjectStore> = Arc::clone(self) as _;
        Store::over(objects, object_store::path::Path::default(), "test://", host, options()).await.unwrap()
    }

    async fn packs(&self) -> Vec<object_store::path::Path> {
        let packs: Vec<_> = self.list(Some(&"packs".into())).try_collect().await.unwrap();
        let mut packs: Vec<_> = packs.into_iter().map(|pack| pack.location).collect();
        packs.sort();
        packs
    }
}

#[tokio::test]
async fn a_pack_that_cannot_be_read_hurts_only_what_is_in_it_alone() {
    let objects = Arc::new(Unreadable::default());
    let (kept, hurt) = (file(100_000, 52), file(150_000, 53));
    let store = objects.open().await;
    let kept_root = put(&store, &kept, ALGORITHM).await;
    let before = objects.packs().await;
    let hurt_root = put(&store, &hurt, ALGORITHM).await;
    let packs = objects.packs().await;
    let pack = packs.iter().find(|pack| !before.contains(pack)).unwrap();
    objects.names.lock().unwrap().insert(pack.clone());
    for store in [store, objects.open().await] {
        assert_eq!(read(&store, &kept_root, None).await.unwrap(), kept);
        assert!(read(&store, &hurt_root, None).await.is_err());
        let report = store.check(CheckOptions::new().read_data(true).repair(true)).await.unwrap();
        assert_eq!(report.damaged_packs.len(), 1);
        assert_eq!(report.damaged_packs[0].error.as_ref().unwrap().code(), "unreadable_pack");
        assert_eq!(report.hurt_files.iter().map(|file| file.root).collect::<Vec<_>>(), [hurt_root]);
        assert_eq!(store.collect(now()).await.unwrap().deleted_packs, 0);
        assert_eq!(objects.packs().await, packs, "what cannot be read may be sound");
    }
    let store = objects.open().await;
    assert_eq!(put(&store, &hurt, ALGORITHM).await, hurt_root);
    assert_eq!(read(&store, &hurt_root, None).await.unwrap(), hurt, "another copy is read");
    objects.names.lock().unwrap().clear();
    assert!(store.check(CheckOptions::new().read_data(true)).await.unwrap().is_sound());
    objects.down.store(true, Ordering::Relaxed);
    assert_eq!(read(&store, &kept_root, None).await.unwrap_err().code(), "permission_denied");
    let error = store.check(CheckOptions::new()).await.unwrap_err();
    assert_eq!(error.code(), "permission_denied", "a store that is down is not one that is damaged");
}

#[tokio::test]
async fn empty_objects_do_not_stop_a_store_that_is_not_on_a_disk() {
    let objects = Arc::new(Unreadable::default());
    let store = objects.open().await;
    let data = file(100_000, 54);
    let root = put(&store, &data, ALGORITHM).await;
    let manifest = Root::new(ALGORITHM, [9; 32]);
    for name in ["packs/019331c5-8f00-7000-8000-000000000005", &format!("manifests/{manifest}")] {
        objects.put(&name.into(), PutPayload::default()).await.unwrap();
    }
    let store = objects.open().await;
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    let files: Vec<_> = store.manifests().await.unwrap().try_collect().await.unwrap();
    let mut lengths: Vec<_> = files.iter().map(|file| file.length).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [None, Some(100_000)]);
    let report = store.check(CheckOptions::new()).await.unwrap();
    assert_eq!((report.damaged_packs.len(), report.hurt_files.len()), (1, 1));
}

#[tokio::test]
async fn a_process_that_knows_no_chunk_yet_reads_only_a_few_windows_ahead() {
    let objects = Arc::new(Unreadable::default());
    let store = objects.open().await;
    let profile = Profile::LARGE.hash(ALGORITHM);
    let mut writer = store.pack_writer(ALGORITHM);
    let mut chunks = Vec::new();
    for number in 0..96 {
        let chunk = file(1 << 20, number);
        let hash = ALGORITHM.digest(&chunk);
        writer.add_hashed(hash, chunk.into()).await.unwrap();
        chunks.push(ChunkDescriptor { hash, offset: number << 20, length: 1 << 20 });
    }
    writer.seal().await.unwrap();
    let root = store.commit(&Manifest::new(profile, chunks).unwrap()).await.unwrap();
    let store = objects.open().await;
    let mut pieces = store.read(&root, None).await.unwrap();
    assert_eq!(pieces.try_next().await.unwrap().unwrap().len(), 1 << 20);
    let ahead = objects.read.load(Ordering::Relaxed);
    assert!(ahead < 48 << 20, "{ahead} bytes were read for the first piece");
}

#[tokio::test]
async fn a_chunk_whose_every_copy_is_damaged_is_looked_for_a_few_times() {
    let objects = Arc::new(Unreadable::default());
    let store = objects.open().await;
    let data = file(100_000, 55);
    let root = put(&store, &data, ALGORITHM).await;
    let packs = objects.packs().await;
    for pack in &packs {
        let mut bytes = objects.objects.get(pack).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[100] ^= 1;
        objects.put(pack, bytes.into()).await.unwrap();
    }
    let store = objects.open().await;
    let lists = || objects.lists.swap(0, Ordering::Relaxed);
    lists();
    assert_eq!(read(&store, &root, None).await.unwrap_err().code(), "chunk_digest_mismatch");
    let for_a_read = lists();
    let report = store.check(CheckOptions::new().read_data(true).repair(true)).await.unwrap();
    assert_eq!((report.damaged_packs.len(), report.hurt_files.len()), (packs.len(), 1));
    lists();
    let report = store.collect(now()).await.unwrap();
    assert_eq!((report.kept_packs.len(), report.deleted_packs), (packs.len(), 0));
    let for_a_collection = lists();
    println!("{for_a_read} lists for a read, {for_a_collection} for a collection");
    assert!(for_a_read <= 12 && for_a_collection <= 40, "{for_a_read}, {for_a_collection}");
}
