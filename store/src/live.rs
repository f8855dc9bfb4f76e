//! Finds the chunks that files need: reads published and pending manifests for a collection or a check.

use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::objects::{Folder, ObjectError, found};
use crate::progress::{Callback, Step};
use crate::rules::PENDING_EXPIRY;
use crate::store::Inner;
use bytes::Bytes;
use chunker::manifest::Manifest;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

/// Limit for the manifests in memory at the same time, in bytes.
const MANIFEST_BYTES: u64 = 128 << 20;

/// Reads each manifest once, even over several passes.
#[derive(Debug)]
pub(crate) struct LiveFiles {
    inner: Arc<Inner>,
    /// The time by the store's own clock at the start of the first pass.
    now: SystemTime,
    /// Whether to delete pending manifests that have expired.
    expires: bool,
    progress: Callback,
    seen: HashSet<Root>,
    seen_pending: HashSet<String>,
    /// Pending manifests that had expired and were deleted.
    pub(crate) expired: u64,
    /// Published manifests that were read.
    pub(crate) files: u64,
}

impl LiveFiles {
    pub(crate) fn new(inner: Arc<Inner>, now: SystemTime, expires: bool, progress: Callback) -> Self {
        let (seen, seen_pending) = (HashSet::new(), HashSet::new());
        Self { inner, now, expires, progress, seen, seen_pending, expired: 0, files: 0 }
    }

    /// Forgets what was read, so that the next pass reads everything.
    pub(crate) fn start_over(&mut self) {
        self.seen.clear();
        self.seen_pending.clear();
        self.files = 0;
    }

    /// Calls `visit` with every manifest that was not read before: first those that are pending, then those
    /// that are published, in lists that are made in this order.
    ///
    /// A manifest that cannot be read is an error, because the chunks that its file needs are unknown.
    pub(crate) async fn look(
        &mut self,
        mut visit: impl FnMut(&Manifest) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for pending in self.inner.objects.list(Folder::Pending, None).await? {
            let name = Folder::Pending.object(&pending.name);
            if self.now.duration_since(pending.modified).is_ok_and(|age| age > PENDING_EXPIRY) {
                self.expired += 1;
                if self.expires {
                    self.inner.objects.delete(&name).await?;
                }
            } else if !self.seen_pending.contains(&name) {
                if let Some(bytes) = self.inner.read_bounded(&name).await? {
                    visit(&self.inner.parse_manifest(name.clone(), &bytes)?)?;
                }
                self.seen_pending.insert(name);
            }
        }
        let list = self.inner.objects.list(Folder::Manifests, None).await?;
        let files = list.into_iter().filter_map(|file| Some((file.name.parse::<Root>().ok()?, file.size)));
        let unseen: Vec<_> = files.filter(|(root, _)| !self.seen.contains(root)).collect();
        let total = unseen.len() as u64;
        let mut reads = self.inner.read_manifests(unseen);
        let mut done = 0;
        while let Some((root, manifest)) = reads.next().await {
            if let Some(manifest) = manifest? {
                self.files += 1;
                visit(&manifest)?;
            }
            self.seen.insert(root);
            done += 1;
            self.progress.report(Step::ReadManifests, done, total);
        }
        Ok(())
    }
}

/// A file and its manifest, or `None` if the file no longer exists.
pub(crate) type ReadManifest = (Root, Result<Option<Manifest>, StoreError>);

/// Splits a list of items with sizes into runs of at most `most` bytes in total; a longer item is a run of
/// its own.
fn groups<N>(list: Vec<(N, u64)>, most: u64) -> Vec<Vec<(N, u64)>> {
    let mut groups: Vec<Vec<_>> = Vec::new();
    let mut bytes: u64 = 0;
    for (name, size) in list {
        bytes = bytes.saturating_add(size);
        match groups.last_mut() {
            Some(group) if bytes <= most => group.push((name, size)),
            _ => {
                groups.push(vec![(name, size)]);
                bytes = size;
            }
        }
    }
    groups
}

/// Returns the chunks of a manifest.
pub(crate) fn chunks(manifest: &Manifest) -> impl Iterator<Item = ChunkId> + '_ {
    let algorithm = manifest.hash_algorithm();
    manifest.chunks().iter().map(move |chunk| ChunkId::new(algorithm, chunk.hash))
}

impl Inner {
    /// Reads the manifests of files that were listed with these sizes, several at a time, in order.
    pub(crate) fn read_manifests(
        self: &Arc<Self>,
        files: Vec<(Root, u64)>,
    ) -> BoxStream<'static, ReadManifest> {
        let inner = Arc::clone(self);
        let groups = groups(files, MANIFEST_BYTES).into_iter().map(move |group| {
            let limit = inner.options.manifest_limit;
            let wanted = group.iter().map(|&(root, size)| {
                let size = if size > limit { 0 } else { size };
                (Folder::Manifests.object(root), 0..size)
            });
            let wanted: Vec<_> = wanted.collect();
            let objects = Arc::clone(&inner.objects);
            let reads = objects.get_many(Box::new(wanted.into_iter()), inner.options.concurrency);
            let inner = Arc::clone(&inner);
            reads.zip(stream::iter(group)).then(move |(bytes, (root, _))| {
                let inner = Arc::clone(&inner);
                async move { (root, inner.listed_manifest(&root, bytes).await) }
            })
        });
        stream::iter(groups).flatten().boxed()
    }

    /// Returns the manifest of a file from the bytes that were read.
    async fn listed_manifest(
        &self,
        root: &Root,
        bytes: Result<Bytes, ObjectError>,
    ) -> Result<Option<Manifest>, StoreError> {
        match bytes.map(|bytes| self.checked_manifest(root, &bytes)) {
            Ok(Ok(manifest)) => Ok(Some(manifest)),
            // It was deleted or replaced after it was listed, or it is damaged.
            _ => self.read_manifest(root).await,
        }
    }

    /// Returns the time by the clock of the file system or service.
    pub(crate) async fn store_time(&self) -> Result<SystemTime, StoreError> {
        let name = Folder::Clock.object(self.new_name()?);
        self.objects.put(&name, Vec::new()).await?;
        let object = found(self.objects.head(&name).await)?;
        self.objects.delete(&name).await?;
        Ok(object.map_or_else(|| self.host.now(), |object| object.modified))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_in_memory_are_bounded_by_their_bytes() {
        let list = |sizes: &[u64]| sizes.iter().enumerate().map(|(name, &size)| (name, size)).collect();
        let sizes = |groups: Vec<Vec<(usize, u64)>>| -> Vec<Vec<u64>> {
            groups.into_iter().map(|group| group.into_iter().map(|(_, size)| size).collect()).collect()
        };
        assert_eq!(sizes(groups(list(&[]), 10)), [[]; 0] as [[u64; 0]; 0]);
        assert_eq!(sizes(groups(list(&[4, 6, 1]), 10)), [vec![4, 6], vec![1]]);
        assert_eq!(sizes(groups(list(&[11, 1, 12, 13]), 10)), [[11], [1], [12], [13]]);
        assert_eq!(
            sizes(groups(list(&[0, u64::MAX, u64::MAX, 0]), 10)),
            [vec![0], vec![u64::MAX], vec![u64::MAX], vec![0]]
        );
    }
}
