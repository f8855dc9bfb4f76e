//! What files need: their manifests, published and pending, read for a collector or a check.

use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::objects::{Folder, found};
use crate::progress::{Callback, Step};
use crate::rules::PENDING_EXPIRY;
use crate::store::Inner;
use chunker::manifest::Manifest;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes of manifests that are in memory at the same time.
const MANIFEST_BYTES: u64 = 128 << 20;

/// Reads manifests, each once, however often it looks.
#[derive(Debug)]
pub(crate) struct LiveFiles {
    inner: Arc<Inner>,
    /// The time by the store's own clock, when looking began.
    now: SystemTime,
    /// Whether pending manifests that are too old are deleted.
    expires: bool,
    progress: Callback,
    seen: BTreeSet<String>,
    /// Pending manifests that were too old, and are deleted.
    pub(crate) expired: u64,
    /// Published manifests that were read.
    pub(crate) files: u64,
}

impl LiveFiles {
    pub(crate) fn new(inner: Arc<Inner>, now: SystemTime, expires: bool, progress: Callback) -> Self {
        Self { inner, now, expires, progress, seen: BTreeSet::new(), expired: 0, files: 0 }
    }

    /// Forgets what was read, so that the next look reads all.
    pub(crate) fn start_over(&mut self) {
        self.seen.clear();
        self.files = 0;
    }

    /// Calls `visit` with every manifest that was not read before: first those that are pending, then those
    /// that are published, in lists that are made in this order.
    ///
    /// One that cannot be read is an error: what it needs is not known.
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
            } else if !self.seen.contains(&name) {
                if let Some(bytes) = self.inner.read_bounded(&name).await? {
                    visit(&self.inner.parse_manifest(name.clone(), &bytes)?)?;
                }
                self.seen.insert(name);
            }
        }
        let list = self.inner.objects.list(Folder::Manifests, None).await?;
        let files = list.into_iter().map(|file| (file.name, file.size));
        let unseen: Vec<_> = files.filter(|(name, _)| !self.seen.contains(name)).collect();
        let total = unseen.len() as u64;
        let inner = Arc::clone(&self.inner);
        let read = |(name, _): (String, u64)| {
            let inner = Arc::clone(&inner);
            async move {
                let manifest = match name.parse::<Root>() {
                    Ok(root) => inner.read_manifest(&root).await?,
                    Err(_) => None, // not ours
                };
                Ok::<_, StoreError>((name, manifest))
            }
        };
        let mut reads = read_bounded(unseen, read, self.inner.options.concurrency);
        let mut done = 0;
        while let Some((name, manifest)) = reads.try_next().await? {
            if let Some(manifest) = manifest {
                self.files += 1;
                visit(&manifest)?;
            }
            self.seen.insert(name);
            done += 1;
            self.progress.report(Step::ReadManifests, done, total);
        }
        Ok(())
    }
}

/// Reads manifests, given with their sizes, several at a time, in order.
pub(crate) fn read_bounded<'a, N, T, F: Future<Output = T> + Send + 'a>(
    manifests: Vec<(N, u64)>,
    read: impl FnMut((N, u64)) -> F + Send + 'a,
    concurrency: usize,
) -> BoxStream<'a, T>
where
    N: Send + 'a,
    T: Send + 'a,
{
    let mut read = read;
    let groups = groups(manifests, MANIFEST_BYTES);
    let groups = groups.into_iter().map(move |group| {
        let reads: Vec<F> = group.into_iter().map(&mut read).collect();
        stream::iter(reads).buffered(concurrency)
    });
    stream::iter(groups).flatten().boxed()
}

/// Splits a list of things with sizes into runs that together have at most `most` bytes, or are one thing.
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
    /// Returns the time by the clock of what holds the store.
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
