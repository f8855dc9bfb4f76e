//! What a store promises, on a disk and in memory.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use bytes::Bytes;
use chunker::hashing::HashAlgorithm;
use chunker_store::{
    CacheFolder, CheckOptions, CollectOptions, CommitError, Root, Store, StoreError, StoreOptions,
};
use common::{Folder, file, manifest, put, read};
use futures::{StreamExt as _, TryStreamExt as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime};

fn now() -> CollectOptions {
    CollectOptions::new().min_age(Duration::ZERO)
}

async fn both(test: impl AsyncFn(Store, &str, StoreOptions)) {
    let folder = Folder::new();
    let cache = Folder::new();
    let disk = folder.path().join("store");
    let memory = format!("memory://{}", disk.display().to_string().replace('/', "-"));
    for address in [disk.to_str().unwrap(), &memory] {
        let options = StoreOptions::new().cache(CacheFolder::At(cache.path().into())).pack_size(256 << 10);
        test(Store::open(address, options.clone()).await.unwrap(), address, options).await;
    }
}

#[tokio::test]
async fn what_is_committed_can_be_read_by_everyone() {
    both(async |store, address, options| {
        for algorithm in HashAlgorithm::ALL {
            for length in [0, 1, 5_000, 3_000_000] {
                let data = file(length, 1);
                let root = put(&store, &data, algorithm).await;
                let other = Store::open(address, options.clone().create(false)).await.unwrap();
                for store in [&store, &other] {
                    assert_eq!(read(store, &root, None).await.unwrap(), data, "{length}");
                    assert_eq!(store.manifest(&root).await.unwrap(), manifest(&data, algorithm));
                }
                let digests: Vec<_> = manifest(&data, algorithm).chunks().iter().map(|c| c.hash).collect();
                assert!(other.missing(algorithm, &digests).await.unwrap().iter().all(|missing| !missing));
            }
        }
        let files: Vec<_> = store.manifests().await.unwrap().try_collect().await.unwrap();
        assert_eq!(files.len(), 8);
        let mut lengths: Vec<_> = files.iter().map(|file| file.length.unwrap()).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [0, 0, 1, 1, 5_000, 5_000, 3_000_000, 3_000_000]);
        assert!(store.check(CheckOptions::new().read_data(true)).await.unwrap().is_sound());
        assert_eq!(store.usage().await.unwrap().files, 8);
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_committed_again_gets_a_new_time_and_is_rewritten_only_if_damaged() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = Folder::new();
    let options = StoreOptions::new().cache(CacheFolder::None);
    let store = Store::open(folder.path().to_str().unwrap(), options).await.unwrap();
    let data = file(300_000, 1);
    let root = put(&store, &data, HashAlgorithm::Blake3).await;
    let path = folder.path().join("manifests").join(root.to_string());
    let whole = std::fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[20] ^= 1;
    let longer = [whole.clone(), vec![0]].concat();
    let found = [&whole[..], &changed, &whole[1..], &longer, b""];
    for (case, found) in found.into_iter().enumerate() {
        let manifest = std::fs::File::options().write(true).truncate(true).open(&path).unwrap();
        (&manifest).write_all(found).unwrap();
        manifest.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let before = manifest.metadata().unwrap().ino();
        assert_eq!(put(&store, &data, HashAlgorithm::Blake3).await, root);
        assert_eq!(std::fs::metadata(&path).unwrap().ino() == before, found == whole, "case {case}");
        assert_eq!(std::fs::read(&path).unwrap(), whole, "case {case}");
        let files: Vec<_> = store.manifests().await.unwrap().try_collect().await.unwrap();
        let age = files[0].committed.elapsed().unwrap();
        assert!(age < Duration::from_mins(1), "case {case}: {age:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path().join("pending")).unwrap().count(), 0);
}

#[cfg(feature = "aws")]
#[ignore = "scripts/test-s3.sh runs it, with a server"]
#[tokio::test]
async fn s3_keeps_what_it_was_given() {
    let cache = Folder::new();
    let options = || StoreOptions::new().cache(CacheFolder::At(cache.path().into())).pack_size(256 << 10);
    let store = Store::open("s3://chunker/some/prefix", options()).await.unwrap();
    let (kept, deleted) = (file(3_000_000, 1), file(2_000_000, 2));
    let root = put(&store, &kept, HashAlgorithm::Sha256).await;
    let other_root = put(&store, &deleted, HashAlgorithm::Sha256).await;
    assert!(store.delete(&other_root).await.unwrap());
    assert!(store.collect(now()).await.unwrap().deleted_packs > 0);
    let other = Store::open("s3://chunker/some/prefix", options().create(false)).await.unwrap();
    assert_eq!(read(&other, &root, None).await.unwrap(), kept);
    assert_eq!(read(&other, &root, Some(1_000_000..1_000_001)).await.unwrap(), kept[1_000_000..1_000_001]);
    assert_eq!(read(&other, &other_root, None).await.unwrap_err().code(), "root_not_found");
    assert!(other.check(CheckOptions::new().read_data(true)).await.unwrap().is_sound());
    let error = Store::open("s3://chunker/elsewhere", options().create(false)).await.unwrap_err();
    assert_eq!(error.code(), "store_not_found");
    let error = Store::open("s3://no-such-bucket/store", options()).await.unwrap_err();
    assert_eq!(error.code(), "storage_failed");
}

#[tokio::test]
async fn every_range_is_read_exactly() {
    both(async |store, _, _| {
        let data = file(400_000, 2);
        let root = put(&store, &data, HashAlgorithm::Blake3).await;
        for start in [0, 1, 4_095, 100_000, 399_999, 400_000] {
            for end in [start, start + 1, start + 70_000, 400_000, 400_001, usize::MAX] {
                let range = Some(start as u64..end as u64);
                let part = &data[start..end.min(400_000)];
                assert_eq!(read(&store, &root, range).await.unwrap(), part, "{start}..{end}");
            }
        }
        for range in [Some(400_001..400_001), Some(400_002..400_003)] {
            let error = read(&store, &root, range).await.unwrap_err();
            assert_eq!(error.code(), "range_not_satisfiable");
        }
    })
    .await;
}

#[tokio::test]
async fn a_commit_names_the_chunks_that_are_missing_each_once() {
    both(async |store, _, _| {
        let data = [file(200_000, 3), file(200_000, 3)].concat();
        let manifest = manifest(&data, HashAlgorithm::Sha256);
        let Err(CommitError::MissingChunks { chunks }) = store.commit(&manifest).await else {
            panic!("chunks were never added");
        };
        let mut distinct: Vec<_> = manifest.chunks().iter().map(|chunk| chunk.hash).collect();
        let mut missing: Vec<_> = chunks.iter().map(|id| id.digest).collect();
        distinct.sort_unstable();
        distinct.dedup();
        missing.sort_unstable();
        assert_eq!(missing, distinct);
        let root = Root::new(HashAlgorithm::Sha256, manifest.root_digest());
        assert!(matches!(read(&store, &root, None).await, Err(StoreError::RootNotFound { .. })));
        let other = store.missing(HashAlgorithm::Blake3, &distinct).await.unwrap();
        assert!(other.iter().all(|&missing| missing));
    })
    .await;
}

#[tokio::test]
async fn a_chunk_under_a_wrong_digest_is_refused_and_the_writer_with_it() {
    both(async |store, _, _| {
        let mut writer = store.pack_writer(HashAlgorithm::Sha256);
        writer.add([7; 32], "chunk".into()).await.unwrap();
        let error = writer.seal().await.unwrap_err();
        assert_eq!(error.code(), "chunk_digest_mismatch");
        assert_eq!(writer.seal().await.unwrap_err().code(), "pack_writer_failed");
        assert_eq!(store.usage().await.unwrap().packs, 0);
        let mut writer = store.pack_writer(HashAlgorithm::Sha256);
        let error = writer.add([7; 32], "".into()).await.unwrap_err();
        assert_eq!(error.code(), "chunk_length_mismatch");
    })
    .await;
}

#[tokio::test]
async fn a_frame_is_kept_as_it_came_once_it_is_verified() {
    use chunker::compression::{Codec, DecompressionLimits, compress};
    both(async |store, _, _| {
        let chunk = vec![5; 100_000];
        let digest = HashAlgorithm::Blake3.digest(&chunk);
        let frame = compress(Codec::Zstd, &chunk, Some(19)).unwrap();
        let mut writer = store.pack_writer(HashAlgorithm::Blake3);
        let limits = DecompressionLimits::default().with_max_output(100_000);
        writer.add_compressed(digest, frame.clone().into(), limits).await.unwrap();
        assert_eq!(writer.seal().await.unwrap().stored_bytes, frame.len() as u64);
        assert_eq!(store.get(HashAlgorithm::Blake3, digest).await.unwrap().unwrap(), chunk);
        let mut bad = frame.clone();
        bad.pop();
        for (digest, frame, limit, code) in [
            ([1; 32], &frame, 100_000, "chunk_digest_mismatch"),
            (digest, &frame, 99_999, "size_exceeded"),
            (digest, &bad, 100_000, "truncated_data"),
        ] {
            let mut writer = store.pack_writer(HashAlgorithm::Blake3);
            let limits = DecompressionLimits::default().with_max_output(limit);
            writer.add_compressed(digest, frame.clone().into(), limits).await.unwrap();
            assert_eq!(writer.seal().await.unwrap_err().code(), code);
        }
    })
    .await;
}

#[tokio::test]
async fn frames_decompress_to_the_file_and_are_those_that_are_stored() {
    use chunker::compression::{Codec, DecompressionLimits, decompress};
    both(async |_, address, options| {
        for level in [3, 0] {
            let store = Store::open(address, options.clone().level(level)).await.unwrap();
            for length in [0, 1, 5_000, 3_000_000] {
                let data = file(length, 8 + u64::from(level == 0));
                let root = put(&store, &data, HashAlgorithm::Blake3).await;
                let frames = store.read_zstd(&root, |_, _| Ok::<_, StoreError>(None)).await.unwrap();
                let frames: Vec<Bytes> = frames.try_collect().await.unwrap();
                let limits =
                    DecompressionLimits::default().with_max_output(length as u64).with_max_window_log(23);
                assert_eq!(decompress(Codec::Zstd, &frames.concat(), limits).unwrap(), data, "{length}");
                let compressed = frames.concat().len() < data.len() * 3 / 4;
                assert_eq!(compressed, level == 3 && length > 5_000, "{length}");

                // The second chunk in capitals, as it were.
                let second =
                    manifest(&data, HashAlgorithm::Blake3).chunks().get(1).map_or(1, |chunk| chunk.offset);
                let rewrite = move |offset: u64, chunk: &Bytes| {
                    let inverted = chunk.iter().map(|byte| !byte).collect::<Vec<_>>();
                    Ok::<_, StoreError>((offset == second).then(|| inverted.into()))
                };
                let frames = store.read_zstd(&root, rewrite).await.unwrap();
                let frames: Vec<Bytes> = frames.try_collect().await.unwrap();
                let rewritten = decompress(Codec::Zstd, &frames.concat(), limits).unwrap();
                let manifest = manifest(&data, HashAlgorithm::Blake3);
                for chunk in manifest.chunks() {
                    let inverted = if chunk.offset == second { 0xff } else { 0 };
                    let pairs = chunk.slice(&data).unwrap().iter().zip(chunk.slice(&rewritten).unwrap());
                    assert!(pairs.into_iter().all(|(before, after)| before ^ after == inverted), "{length}");
                }
            }
        }
        let store = Store::open(address, options.clone()).await.unwrap();
        let root = put(&store, &file(300_000, 1), HashAlgorithm::Blake3).await;
        let refuse = |offset, _: &Bytes| {
            if offset == 0 { Ok(None) } else { Err(StoreError::Range { start: offset, end: 0, length: 0 }) }
        };
        let frames: Vec<_> = store.read_zstd(&root, refuse).await.unwrap().collect().await;
        let [Ok(_), Err(error)] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(error.code(), "range_not_satisfiable");
    })
    .await;
}

#[tokio::test]
async fn frames_need_no_larger_window_than_every_decoder_has() {
    use chunker::compression::{Codec, DecompressionLimits, decompress};
    use chunker::{Profile, chunking::ChunkingOptions, manifest::Manifest};
    both(async |store, _, _| {
        let data = vec![7; 10 << 20];
        let options = ChunkingOptions::resolve(Some(9 << 20), Some(12 << 20), Some(16 << 20)).unwrap();
        let profile = Profile::from(options).hash(HashAlgorithm::Blake3);
        let digest = HashAlgorithm::Blake3.digest(&data);
        let mut writer = store.pack_writer(HashAlgorithm::Blake3);
        writer.add(digest, data.clone().into()).await.unwrap();
        assert!(writer.seal().await.unwrap().stored_bytes < 100_000);
        let chunks = chunker::chunking::chunk_descriptors(&data, profile);
        let root = store.commit(&Manifest::new(profile, chunks).unwrap()).await.unwrap();
        for replaced in [false, true] {
            let same = move |_, chunk: &Bytes| Ok::<_, StoreError>(replaced.then(|| chunk.clone()));
            let frames: Vec<Bytes> = store.read_zstd(&root, same).await.unwrap().try_collect().await.unwrap();
            let limits = DecompressionLimits::default().with_max_output(10 << 20).with_max_window_log(23);
            assert!(decompress(Codec::Zstd, &frames.concat(), limits).unwrap() == data);
        }
    })
    .await;
}

#[tokio::test]
async fn deleted_space_comes_back_and_the_rest_stays() {
    both(async |store, address, options| {
        let kept = file(1_000_000, 4);
        let deleted = [&kept[..300_000], &file(1_500_000, 5)].concat();
        let (kept_root, deleted_root) = (
            put(&store, &kept, HashAlgorithm::Sha256).await,
            put(&store, &deleted, HashAlgorithm::Sha256).await,
        );
        let before = store.usage().await.unwrap();
        assert_eq!(store.collect(CollectOptions::new()).await.unwrap().doomed_packs, 0);
        assert!(store.delete(&deleted_root).await.unwrap());
        assert!(!store.delete(&deleted_root).await.unwrap());
        assert_eq!(store.collect(now().dry_run(true)).await.unwrap().deleted_packs, 0);
        let report = store.collect(now()).await.unwrap();
        assert!(report.deleted_bytes > 800_000, "{report:?}");
        let after = store.usage().await.unwrap();
        assert!(after.bytes < before.bytes - 800_000, "{before:?} {after:?}");
        assert_eq!(read(&store, &kept_root, None).await.unwrap(), kept);
        let other = Store::open(address, options).await.unwrap();
        assert_eq!(read(&other, &kept_root, None).await.unwrap(), kept);
        assert!(matches!(read(&other, &deleted_root, None).await, Err(StoreError::RootNotFound { .. })));
        assert!(other.check(CheckOptions::new().read_data(true)).await.unwrap().is_sound());
        assert_eq!(put(&store, &deleted, HashAlgorithm::Sha256).await, deleted_root);
        assert_eq!(read(&other, &deleted_root, None).await.unwrap(), deleted);
    })
    .await;
}

#[tokio::test]
async fn many_chunks_come_in_the_order_asked_for_and_those_unknown_as_none() {
    both(async |store, _, _| {
        let data = file(500_000, 6);
        put(&store, &data, HashAlgorithm::Blake3).await;
        let chunks = manifest(&data, HashAlgorithm::Blake3);
        let mut digests: Vec<_> = chunks.chunks().iter().rev().map(|chunk| chunk.hash).collect();
        digests.insert(3, [9; 32]);
        digests.push(digests[0]);
        let found: Vec<_> =
            store.get_many(HashAlgorithm::Blake3, digests.clone()).try_collect().await.unwrap();
        assert_eq!(found.iter().map(|(digest, _)| *digest).collect::<Vec<_>>(), digests);
        for (digest, chunk) in found {
            match chunk {
                Some(chunk) => assert_eq!(HashAlgorithm::Blake3.digest(&chunk), digest),
                None => assert_eq!(digest, [9; 32]),
            }
        }
    })
    .await;
}

/// Returns what the first error of a chain says.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

#[tokio::test]
async fn nothing_is_confirmed_in_a_store_that_was_removed_or_replaced() {
    let folder = Folder::new();
    let root = folder.path().join("store");
    let options = StoreOptions::new().cache(CacheFolder::None);
    let open = async || Store::open(root.to_str().unwrap(), options.clone()).await.unwrap();
    let store = open().await;
    let data = file(300_000, 11);
    let known = put(&store, &data, HashAlgorithm::Sha256).await;
    let refuses = async || {
        assert!(cause(&store.delete(&known).await.unwrap_err()).contains("removed or replaced"));
        let committed = store.commit(&manifest(&data, HashAlgorithm::Sha256)).await;
        assert!(cause(&committed.unwrap_err()).contains("removed or replaced"));
        let mut writer = store.pack_writer(HashAlgorithm::Sha256);
        writer.add(HashAlgorithm::Sha256.digest(b"chunk"), "chunk".into()).await.unwrap();
        assert!(cause(&writer.seal().await.unwrap_err()).contains("removed or replaced"));
    };
    std::fs::remove_dir_all(&root).unwrap();
    refuses().await;
    assert!(!root.exists(), "nothing is left where the store was");
    let other = open().await;
    refuses().await;
    put(&other, &data, HashAlgorithm::Sha256).await;
    assert!(other.check(CheckOptions::new()).await.unwrap().is_sound());
}

#[tokio::test]
async fn something_else_is_not_taken_for_a_store() {
    let folder = Folder::new();
    let path = folder.path().to_str().unwrap().to_owned();
    let options = StoreOptions::new().cache(CacheFolder::None);
    let error = Store::open(&format!("{path}/none"), options.clone().create(false)).await.unwrap_err();
    assert_eq!(error.code(), "store_not_found");
    std::fs::write(folder.path().join("letter.txt"), "Dear").unwrap();
    assert_eq!(Store::open(&path, options.clone()).await.unwrap_err().code(), "not_a_store");
    std::fs::write(folder.path().join("format"), "chunker-store 9\n").unwrap();
    assert_eq!(Store::open(&path, options.clone()).await.unwrap_err().code(), "unsupported_store_version");
    for options in [options.clone().level(23), options.clone().pack_size(1), options.clone().concurrency(0)] {
        assert_eq!(Store::open(&path, options).await.unwrap_err().code(), "invalid_store_option");
    }
    for address in ["s3://bucket", "ftp://host/"] {
        assert!(Store::open(address, options.clone()).await.is_err());
    }
}

#[test]
fn the_blocking_store_is_the_same_store() {
    use std::io::Read as _;
    let folder = Folder::new();
    let path = folder.path().join("store");
    let options = StoreOptions::new().cache(CacheFolder::None);
    let store = chunker_store::blocking::Store::open(path.to_str().unwrap(), options).unwrap();
    let data = file(300_000, 7);
    let manifest = manifest(&data, HashAlgorithm::Sha256);
    let mut writer = store.pack_writer(HashAlgorithm::Sha256);
    for chunk in manifest.chunks() {
        writer.add(chunk.hash, chunk.slice(&data).unwrap().to_vec().into()).unwrap();
    }
    writer.seal().unwrap();
    let root = store.commit(&manifest).unwrap();
    let mut read = Vec::new();
    store.read(&root, Some(10..200_000)).unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, data[10..200_000]);
    assert_eq!(store.manifests().unwrap().count(), 1);
    assert!(store.check(CheckOptions::new()).unwrap().is_sound());
    assert!(store.delete(&root).unwrap());
    assert_eq!(store.collect(now()).unwrap().files, 0);
    assert_eq!(store.usage().unwrap().packs, 0);
}
