//! Recently read manifests: a client that seeks in a large file requests one range after another.

use crate::chunk::Root;
use crate::name::TimeName;
use chunker::manifest::Manifest;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The manifests read last, of all stores together, within a limit of memory.
#[derive(Debug)]
pub(super) struct Recent {
    files: Mutex<VecDeque<File>>,
    limit: u64,
}

#[derive(Debug)]
struct File {
    store: TimeName,
    root: Root,
    manifest: Arc<Manifest>,
}

impl File {
    fn bytes(&self) -> u64 {
        (size_of::<Self>() + size_of_val(self.manifest.chunks())) as u64
    }
}

impl Recent {
    /// Returns an empty cache for manifests that take `limit` bytes in all.
    pub(super) fn new(limit: u64) -> Self {
        Self { files: Mutex::default(), limit }
    }

    /// Returns the manifest of a file, verified when it was read. The caller checks whether the file still
    /// exists.
    pub(super) fn get(&self, store: TimeName, root: Root) -> Option<Arc<Manifest>> {
        let mut files = self.files();
        let index = files.iter().position(|file| file.store == store && file.root == root)?;
        let file = files.remove(index)?;
        let manifest = Arc::clone(&file.manifest);
        files.push_back(file);
        Some(manifest)
    }

    /// Adds a manifest, and drops the least recently used ones.
    pub(super) fn keep(&self, store: TimeName, root: Root, manifest: Arc<Manifest>) {
        let file = File { store, root, manifest };
        let mut files = self.files();
        files.retain(|other| other.store != store || other.root != root);
        if file.bytes() <= self.limit {
            files.push_back(file);
        }
        while files.iter().map(File::bytes).sum::<u64>() > self.limit {
            files.pop_front();
        }
    }

    fn files(&self) -> MutexGuard<'_, VecDeque<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunker::Profile;
    use chunker::chunking::ChunkDescriptor;
    use chunker::hashing::HashAlgorithm;

    fn file(chunks: usize) -> (Root, Arc<Manifest>) {
        let length = 4096;
        let chunk = |index: usize| ChunkDescriptor { hash: [1; 32], offset: (index * length) as u64, length };
        let manifest = Manifest::new(Profile::SMALL, (0..chunks).map(chunk).collect()).unwrap();
        (Root::new(HashAlgorithm::Sha256, manifest.root_digest()), Arc::new(manifest))
    }

    #[test]
    fn what_was_asked_for_last_is_kept_within_the_limit() {
        let recent = Recent::new(3 * (size_of::<File>() as u64 + 480));
        let store = TimeName::from_bytes([1; 16]);
        let files: Vec<_> = (7..=10).map(file).collect();
        for (root, manifest) in &files[..3] {
            recent.keep(store, *root, Arc::clone(manifest));
        }
        assert!(recent.get(store, files[0].0).is_some());
        recent.keep(store, files[3].0, Arc::clone(&files[3].1));
        let kept: Vec<_> = files.iter().map(|(root, _)| recent.get(store, *root).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert!(recent.get(TimeName::from_bytes([2; 16]), files[0].0).is_none(), "of another store");
        let (root, large) = file(1000);
        recent.keep(store, root, large);
        assert!(recent.get(store, root).is_none() && recent.get(store, files[0].0).is_some());
    }
}
