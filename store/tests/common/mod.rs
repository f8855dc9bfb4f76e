//! Data, folders, and the shortest way into a store and out of it.

#![allow(dead_code, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use bytes::Bytes;
use chunker::Profile;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::{CommitError, Root, Store, StoreError};
use futures::TryStreamExt as _;
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder that is removed with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chunker-store-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Returns `length` bytes of a seed; the second half of every 64 KiB is text that compresses.
pub(crate) fn file(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        let word = next();
        let word = if data.len() & 0x8000 == 0 { word } else { word & 0x0101_0101_0101_0101 };
        data.extend_from_slice(&word.to_le_bytes());
    }
    data.truncate(length);
    data
}

pub(crate) fn manifest(data: &[u8], algorithm: HashAlgorithm) -> Manifest {
    let profile = Profile::SMALL.hash(algorithm);
    Manifest::new(profile, chunker::chunking::chunk_descriptors(data, profile)).unwrap()
}

/// Puts a file into a store as a program would: asks, adds what is missing, commits, and adds again what
/// was collected meanwhile.
pub(crate) async fn put(store: &Store, data: &[u8], algorithm: HashAlgorithm) -> Root {
    let manifest = manifest(data, algorithm);
    let digests: Vec<_> = manifest.chunks().iter().map(|chunk| chunk.hash).collect();
    let missing = store.missing(algorithm, &digests).await.unwrap();
    let mut missing: HashSet<[u8; 32]> =
        digests.iter().zip(missing).filter(|(_, missing)| *missing).map(|(digest, _)| *digest).collect();
    loop {
        let mut writer = store.pack_writer(algorithm);
        for chunk in manifest.chunks().iter().filter(|chunk| missing.contains(&chunk.hash)) {
            let bytes = Bytes::copy_from_slice(chunk.slice(data).unwrap());
            writer.add(chunk.hash, bytes).await.unwrap();
        }
        writer.seal().await.unwrap();
        match store.commit(&manifest).await {
            Err(CommitError::MissingChunks { chunks }) => {
                missing = chunks.iter().map(|id| id.digest).collect();
            }
            committed => return committed.unwrap(),
        }
    }
}

pub(crate) async fn read(
    store: &Store,
    root: &Root,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, StoreError> {
    let pieces: Vec<Bytes> = store.read(root, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// Runs the reader that knows a store by its specification alone.
pub(crate) fn reader(store: &Path, arguments: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader.py");
    Command::new("python3").arg(script).arg(store).args(arguments).output().unwrap()
}

/// Returns the file that this reader restores.
pub(crate) fn restored(store: &Path, root: &str) -> Vec<u8> {
    let output = reader(store, &[root]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("not checked"), "{errors}"); // make setup installs b3sum
    output.stdout
}
