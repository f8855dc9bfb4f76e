//! Objects that are damaged, hostile or gone: each is named, nothing wrong is delivered, and what can be
//! healed is.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use chunker::hashing::HashAlgorithm;
use chunker_store::{
    CacheFolder, CheckOptions, CollectOptions, CommitError, Root, Store, StoreError, StoreOptions,
};
use common::{Folder, file, manifest, put, read};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ALGORITHM: HashAlgorithm = HashAlgorithm::Sha256;

fn options() -> StoreOptions {
    StoreOptions::new().pack_size(64 << 10).level(0).cache(CacheFolder::None)
}

async fn open(path: &Path) -> Store {
    Store::open(path.to_str().unwrap(), options()).await.unwrap()
}

fn objects(store: &Path, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(store.join(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

fn resize(path: &Path, length: impl Fn(u64) -> u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let old = file.metadata().unwrap().len();
    file.set_len(length(old)).unwrap();
}

/// Flips a bit of the last chunk's checksum.
fn flip_checksum(pack: &Path) {
    let bytes = fs::read(pack).unwrap();
    let count = bytes[bytes.len() - 44..].first_chunk().unwrap();
    let footer = 44 + 42 * u32::from_le_bytes(*count) as usize;
    flip(pack, |length| length - footer - 1);
}

/// Damage that hides no chunk.
const HARMLESS: [&str; 2] = ["the head has a wrong bit", "a checksum has a wrong bit"];

/// What happens to a pack, and whether a check must read the data to see it.
type Damage = (&'static str, fn(&Path), bool);

const PACK_DAMAGE: [Damage; 13] = [
    ("a chunk has a wrong bit", |pack| flip(pack, |_| 1000), true),
    ("a checksum has a wrong bit", flip_checksum, true),
    ("the head has a wrong bit", |pack| flip(pack, |_| 3), true),
    ("an entry has a wrong bit", |pack| flip(pack, |length| length - 44 - 20), false),
    ("a length has a wrong bit", |pack| flip(pack, |length| length - 44 - 39), false),
    ("the count has a wrong bit", |pack| flip(pack, |length| length - 43), false),
    ("the footer's digest has a wrong bit", |pack| flip(pack, |length| length - 20), false),
    ("the end has a wrong bit", |pack| flip(pack, |length| length - 8), false),
    ("the version is another one", |pack| flip(pack, |length| length - 1), false),
    ("it is cut in half", |pack| resize(pack, |length| length / 2), false),
    ("it is empty", |pack| resize(pack, |_| 0), false),
    ("it is longer", |pack| resize(pack, |length| length + 1), false),
    ("it is gone", |pack| fs::remove_file(pack).unwrap(), false),
];

#[tokio::test]
async fn a_damaged_pack_is_named_never_delivered_and_healed_by_an_upload() {
    for (what, damage, needs_data) in PACK_DAMAGE {
        let folder = Folder::new();
        let store = open(folder.path()).await;
        let (data, other) = (file(400_000, 21), file(100_000, 22));
        let (root, other_root) = (put(&store, &data, ALGORITHM).await, put(&store, &other, ALGORITHM).await);
        let pack = objects(folder.path(), "packs").remove(1);
        damage(&pack);

        let store = open(folder.path()).await;
        let result = read(&store, &root, None).await;
        if !HARMLESS.contains(&what) {
            let code = result.unwrap_err().code();
            assert!(["chunk_not_found", "chunk_digest_mismatch"].contains(&code), "{what}: {code}");
        }
        assert_eq!(read(&store, &other_root, None).await.unwrap(), other, "{what}");

        let gone = what == "it is gone";
        let report = store.check(CheckOptions::new().read_data(needs_data)).await.unwrap();
        assert!(!report.is_sound(), "{what}");
        assert_eq!(report.damaged_packs.len(), usize::from(!gone), "{what}");
        if !gone {
            assert!(pack.ends_with(report.damaged_packs[0].pack.to_string()), "{what}");
        }
        if !HARMLESS.contains(&what) {
            assert_eq!(report.hurt_files.len(), 1, "{what}");
            assert_eq!(report.hurt_files[0].root, root, "{what}");
            assert!(!report.hurt_files[0].chunks.is_empty(), "{what}");
        }

        store.check(CheckOptions::new().read_data(needs_data).repair(true)).await.unwrap();
        let store = open(folder.path()).await;
        assert_eq!(put(&store, &data, ALGORITHM).await, root, "{what}");
        assert_eq!(read(&store, &root, None).await.unwrap(), data, "{what}");
        store.collect(CollectOptions::new().min_age(Duration::ZERO)).await.unwrap();
        assert_eq!(read(&open(folder.path()).await, &root, None).await.unwrap(), data, "{what}");
        let report = store.check(CheckOptions::new().read_data(true)).await.unwrap();
        assert!(report.is_sound(), "{what}: {report:?}");
        assert!(gone || !pack.exists(), "{what}");
    }
}

#[tokio::test]
async fn what_a_reader_finds_damaged_is_missing_until_an_upload_heals_it() {
    let folder = Folder::new();
    let data = file(400_000, 24);
    let root = put(&open(folder.path()).await, &data, ALGORITHM).await;
    flip(&objects(folder.path(), "packs")[1], |_| 1000);
    let manifest = manifest(&data, ALGORITHM);
    let digests: Vec<_> = manifest.chunks().iter().map(|chunk| chunk.hash).collect();

    let store = open(folder.path()).await;
    let none = vec![false; digests.len()];
    assert_eq!(store.missing(ALGORITHM, &digests).await.unwrap(), none, "nobody has read it yet");
    assert_eq!(read(&store, &root, None).await.unwrap_err().code(), "chunk_digest_mismatch");
    let missing = store.missing(ALGORITHM, &digests).await.unwrap();
    assert_eq!(missing.iter().filter(|&&missing| missing).count(), 1);
    let refused = store.commit(&manifest).await.unwrap_err();
    assert!(matches!(&refused, CommitError::MissingChunks { chunks } if chunks.len() == 1), "{refused:?}");

    assert_eq!(put(&store, &data, ALGORITHM).await, root);
    assert_eq!(store.missing(ALGORITHM, &digests).await.unwrap(), none);
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    assert_eq!(read(&open(folder.path()).await, &root, None).await.unwrap(), data, "another process");
}

#[tokio::test]
async fn a_file_committed_again_after_another_process_has_repaired_the_store_is_healed() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(400_000, 25);
    let root = put(&store, &data, ALGORITHM).await;
    flip(&objects(folder.path(), "packs")[0], |_| 1000);
    let repair = CheckOptions::new().read_data(true).repair(true);
    assert_eq!(open(folder.path()).await.check(repair).await.unwrap().hurt_files.len(), 1);
    // This process has not looked since.
    let refused = store.commit(&manifest(&data, ALGORITHM)).await.unwrap_err();
    assert!(matches!(&refused, CommitError::MissingChunks { chunks } if !chunks.is_empty()), "{refused:?}");
    assert_eq!(put(&store, &data, ALGORITHM).await, root);
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
}

#[tokio::test]
async fn a_damaged_pack_keeps_its_good_chunks() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(400_000, 23);
    let root = put(&store, &data, ALGORITHM).await;
    flip(&objects(folder.path(), "packs")[1], |_| 1000);
    let report = store.check(CheckOptions::new().read_data(true).repair(true)).await.unwrap();
    assert!(report.rescued_chunks > 0, "{report:?}");
    assert_eq!(report.deleted_packs, 0, "a chunk is needed of which no good copy is there");
    assert_eq!(report.hurt_files[0].chunks.len(), 1);
    let digests: Vec<_> = manifest(&data, ALGORITHM).chunks().iter().map(|chunk| chunk.hash).collect();
    let store = open(folder.path()).await;
    let missing = store.missing(ALGORITHM, &digests).await.unwrap();
    assert_eq!(missing.iter().filter(|&&missing| missing).count(), 1);
    assert_eq!(put(&store, &data, ALGORITHM).await, root);
    assert_eq!(store.collect(CollectOptions::new()).await.unwrap().deleted_packs, 1);
}

#[tokio::test]
async fn a_damaged_manifest_is_named_and_stops_a_collection() {
    let long = |path: &Path| resize(path, |length| length + 1);
    let huge = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let count = bytes.len() - 36 * manifest(&file(200_000, 24), ALGORITHM).chunks().len() - 8;
        bytes[count..count + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        fs::write(path, bytes).unwrap();
    };
    let wrong = |path: &Path| flip(path, |length| length - 10);
    let empty = |path: &Path| resize(path, |_| 0);
    for what in ["a wrong bit", "empty", "longer", "a huge count"] {
        let folder = Folder::new();
        let store = open(folder.path()).await;
        let root = put(&store, &file(200_000, 24), ALGORITHM).await;
        let other = put(&store, &file(100_000, 25), ALGORITHM).await;
        let path = folder.path().join("manifests").join(root.to_string());
        match what {
            "a wrong bit" => wrong(&path),
            "empty" => empty(&path),
            "longer" => long(&path),
            _ => huge(&path),
        }
        assert_eq!(read(&store, &root, None).await.unwrap_err().code(), "manifest_digest_mismatch", "{what}");
        store.delete(&other).await.unwrap();
        let error = store.collect(CollectOptions::new().min_age(Duration::ZERO)).await.unwrap_err();
        assert_eq!(error.code(), "manifest_digest_mismatch", "{what}");
        let report = store.check(CheckOptions::new().repair(true)).await.unwrap();
        assert_eq!(report.hurt_files.iter().map(|file| file.root).collect::<Vec<_>>(), [root], "{what}");
        assert!(store.delete(&root).await.unwrap());
        store.collect(CollectOptions::new().min_age(Duration::ZERO)).await.unwrap();
        assert_eq!(store.usage().await.unwrap().packs, 0, "{what}");
    }
}

#[tokio::test]
async fn a_damaged_doom_stops_commits_and_collections_but_no_reader() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(200_000, 26);
    let root = put(&store, &data, ALGORITHM).await;
    fs::create_dir_all(folder.path().join("dooms")).unwrap();
    let doom = folder.path().join("dooms/019331c5-8f00-7000-8000-000000000005");
    fs::write(&doom, "019331c5-8f00-7000").unwrap();
    let store = open(folder.path()).await;
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    let manifest = manifest(&data, ALGORITHM);
    assert_eq!(store.commit(&manifest).await.unwrap_err().code(), "invalid_doom");
    assert_eq!(store.collect(CollectOptions::new()).await.unwrap_err().code(), "invalid_doom");
    let report = store.check(CheckOptions::new()).await.unwrap();
    assert_eq!(report.strange_objects, ["dooms/019331c5-8f00-7000-8000-000000000005"]);
}

#[tokio::test]
async fn strange_objects_are_reported_and_harm_nobody() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let data = file(200_000, 27);
    let root = put(&store, &data, ALGORITHM).await;
    for (directory, name) in
        [("packs", "readme"), ("dooms", "x"), ("manifests", "sha256-00"), ("pending", "~")]
    {
        fs::create_dir_all(folder.path().join(directory)).unwrap();
        fs::write(folder.path().join(directory).join(name), "strange").unwrap();
    }
    let store = open(folder.path()).await;
    let mut strange = store.check(CheckOptions::new()).await.unwrap().strange_objects;
    strange.sort_unstable();
    assert_eq!(strange, ["dooms/x", "manifests/sha256-00", "packs/readme", "pending/~"]);
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    assert_eq!(put(&store, &data, ALGORITHM).await, root);
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.path().join("store");
    let store = open(&path).await;
    let data = file(200_000, 28);
    let root = put(&store, &data, ALGORITHM).await;
    let set = |mode: u32| {
        for folder in ["", "packs", "manifests", "pending", "tmp"] {
            fs::set_permissions(path.join(folder), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let writable = fs::write(path.join("probe"), "").is_ok(); // as the superuser
    let store = open(&path).await;
    assert_eq!(read(&store, &root, None).await.unwrap(), data);
    assert!(store.check(CheckOptions::new().read_data(true)).await.unwrap().is_sound() || writable);
    if !writable {
        let error = store.commit(&manifest(&data, ALGORITHM)).await.unwrap_err();
        assert_eq!(error.code(), "permission_denied");
    }
    set(0o755);
}

#[tokio::test]
async fn a_damaged_cache_is_made_again_and_nobody_notices() {
    let folder = Folder::new();
    let cache = Folder::new();
    let path = folder.path().to_str().unwrap().to_owned();
    let options = || options().cache(CacheFolder::At(cache.path().into()));
    let store = Store::open(&path, options()).await.unwrap();
    let data = file(1_500_000, 29);
    let root = put(&store, &data, ALGORITHM).await;
    let snapshot = || -> PathBuf {
        let folder = objects(cache.path(), "").remove(0);
        objects(&folder, "").pop().unwrap()
    };
    let whole = fs::read(snapshot()).unwrap();
    for at in (0..whole.len()).step_by(97).chain([0, 15, 16, 24, 31, 32, 63, whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(snapshot(), &damaged).unwrap();
        let store = Store::open(&path, options()).await.unwrap();
        let digests: Vec<_> = manifest(&data, ALGORITHM).chunks().iter().map(|chunk| chunk.hash).collect();
        let missing = store.missing(ALGORITHM, &digests).await.unwrap();
        assert!(missing.iter().all(|missing| !missing), "byte {at}");
    }
    for length in [0, 1, 63, 64, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(snapshot(), &whole[..length]).unwrap();
        let store = Store::open(&path, options()).await.unwrap();
        assert_eq!(read(&store, &root, None).await.unwrap(), data);
    }
    fs::write(folder.path().join("not-a-folder"), "").unwrap();
    let nowhere = super_options(&folder.path().join("not-a-folder"));
    let store = Store::open(&path, nowhere).await.unwrap();
    let more = file(200_000, 30);
    let root = put(&store, &more, ALGORITHM).await;
    assert_eq!(read(&store, &root, None).await.unwrap(), more);
}

fn super_options(cache: &Path) -> StoreOptions {
    options().cache(CacheFolder::At(cache.into()))
}

#[tokio::test]
async fn an_unknown_root_is_not_found() {
    let folder = Folder::new();
    let store = open(folder.path()).await;
    let error = read(&store, &Root::new(ALGORITHM, [1; 32]), None).await.unwrap_err();
    assert!(matches!(error, StoreError::RootNotFound { .. }));
    assert_eq!(store.get(ALGORITHM, [1; 32]).await.unwrap(), None);
}
