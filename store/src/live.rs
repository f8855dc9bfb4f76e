//! What files need: their manifests, published and pending, read for a collector or a check.

use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::objects::{Folder, found};
use crate::progress::{Callback, Step};
use crate::rules::PENDING_EXPIRY;
use crate::store::Inner;
use chunker::manifest::Manifest;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

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
        let names = list.into_iter().map(|file| file.name);
        let unseen: Vec<_> = names.filter(|name| !self.seen.contains(name)).collect();
        let total = unseen.len() as u64;
        let reads = unseen.into_iter().map(|name| {
            let inner = Arc::clone(&self.inner);
            async move {
                let manifest = match name.parse::<Root>() {
                    Ok(root) => inner.read_manifest(&root).await?,
                    Err(_) => None, // not ours
                };
                Ok::<_, StoreError>((name, manifest))
            }
        });
        let mut reads = stream::iter(reads).buffered(self.inner.options.concurrency);
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
