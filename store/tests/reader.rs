//! A reader that was written from `docs/store-format.md` alone restores what this crate stored.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use chunker::hashing::HashAlgorithm;
use chunker_store::{CacheFolder, CollectOptions, Store, StoreOptions};
use common::{Folder, file, put, reader, restored};
use std::time::Duration;

#[tokio::test]
async fn a_stranger_restores_files_of_every_algorithm_and_level() {
    for level in [0, 3, 19] {
        let folder = Folder::new();
        let options = StoreOptions::new().cache(CacheFolder::None).pack_size(128 << 10).level(level);
        let store = Store::open(folder.path().to_str().unwrap(), options).await.unwrap();
        let mut files = Vec::new();
        for algorithm in HashAlgorithm::ALL {
            for length in [0, 1, 70_000, 150_000] {
                let data = file(length, 11);
                files.push((put(&store, &data, algorithm).await, data));
            }
        }
        let gone = put(&store, &file(150_000, 12), HashAlgorithm::Sha256).await;
        store.delete(&gone).await.unwrap();
        store.collect(CollectOptions::new().min_age(Duration::ZERO)).await.unwrap();
        for (root, data) in &files {
            assert_eq!(restored(folder.path(), &root.to_string()), *data, "level {level}, {root}");
        }
        let all = reader(folder.path(), &[]);
        assert_eq!(String::from_utf8_lossy(&all.stdout).lines().count(), files.len());
    }
}

#[tokio::test]
async fn a_stranger_notices_damage() {
    let folder = Folder::new();
    let options = StoreOptions::new().cache(CacheFolder::None).level(0);
    let store = Store::open(folder.path().to_str().unwrap(), options).await.unwrap();
    let root = put(&store, &file(100_000, 13), HashAlgorithm::Sha256).await;
    let pack = std::fs::read_dir(folder.path().join("packs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let output = reader(folder.path(), &[&root.to_string()]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not have its digest"));
}
