//! Commits and deletes files.

use crate::chunk::{ChunkId, Root};
use crate::error::{CommitError, StoreError};
use crate::host::start_task;
use crate::index::{Standing, View};
use crate::objects::{Folder, ObjectError, found};
use crate::pack::encoding::ChunkError;
use crate::rules::Rule;
use crate::store::{Inner, Store};
use bytes::Bytes;
use chunker::manifest::Manifest;
use std::collections::HashSet;
use std::sync::Arc;

/// How often a commit starts again if its pending manifest expired; one suspended for a day does so once.
const ATTEMPTS: u32 = 8;

impl Store {
    /// Commits a file whose chunks are all in the store.
    ///
    /// When this returns a root, the file can be read under it, even after a crash, until
    /// [`delete`](Self::delete) is called with that root. After any error but
    /// [`CommitError::MissingChunks`], the file may be committed or not; you can repeat the commit.
    /// If the process dies during a commit, the file is committed or not, never in part.
    ///
    /// # Errors
    /// [`CommitError::MissingChunks`] with the chunks to add before the next attempt: those that were never
    /// added, and those that were collected since; [`CommitError::Store`], of a [`StoreError::Chunk`] when
    /// the manifest gives a chunk another length than it has.
    pub async fn commit(&self, manifest: &Manifest) -> Result<Root, CommitError> {
        let root = self.commit_prepared(Commit::new(manifest, manifest.to_bytes().into())).await?;
        drop(self.inner.keep_snapshot(1, 16).await); // if possible, for the next process
        Ok(root)
    }

    /// Does the same without keeping a snapshot.
    pub(crate) async fn commit_prepared(&self, commit: Commit) -> Result<Root, CommitError> {
        let root = self.inner.commit(commit).await.inspect_err(|error| {
            crate::observability::failed(error.code());
        })?;
        crate::observability::committed();
        Ok(root)
    }

    /// Commits a file again by giving it a new time, if that is enough; returns whether it was.
    pub(crate) async fn renew(&self, commit: &Commit) -> Result<bool, StoreError> {
        let renewed = self.inner.renew(commit).await.inspect_err(|error| {
            crate::observability::failed(error.code());
        })?;
        if renewed {
            crate::observability::committed();
        }
        Ok(renewed)
    }

    /// Starts to keep a snapshot, if possible, for the next process.
    pub(crate) fn start_keeping_snapshot(&self) {
        if self.inner.cache.is_enabled() {
            let inner = Arc::clone(&self.inner);
            drop(start_task(&self.inner.host, async move { inner.keep_snapshot(1, 16).await }));
        }
    }

    /// Deletes a file, and returns whether it existed.
    ///
    /// Its chunks stay until they are [collected](Self::collect). The deletion is durable when this returns.
    /// A commit of the same file at the same time may come before or after.
    ///
    /// # Errors
    /// [`StoreError::Object`].
    pub async fn delete(&self, root: &Root) -> Result<bool, StoreError> {
        let name = Folder::Manifests.object(root);
        let existed = found(self.inner.objects.head(&name).await)?.is_some();
        self.inner.objects.delete(&name).await?;
        Ok(existed)
    }
}

/// A file that is being committed; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) root: Root,
    bytes: Bytes,
    /// Each chunk with its length, once.
    chunks: Arc<[(ChunkId, usize)]>,
}

impl Commit {
    /// Prepares the commit of a manifest with these canonical bytes; slow if it is large.
    pub(crate) fn new(manifest: &Manifest, bytes: Bytes) -> Self {
        let algorithm = manifest.hash_algorithm();
        let root = Root::new(algorithm, algorithm.digest(&bytes));
        let mut seen = HashSet::with_capacity(manifest.chunks().len());
        let chunks =
            manifest.chunks().iter().map(|chunk| (ChunkId::new(algorithm, chunk.hash), chunk.length));
        let chunks = chunks.filter(|chunk| seen.insert(*chunk)).collect();
        Self { root, bytes, chunks }
    }

    /// Returns the names of the chunks.
    pub(crate) fn ids(&self) -> Arc<[ChunkId]> {
        self.chunks.iter().map(|(id, _)| *id).collect()
    }
}

/// A chunk that keeps a file from being committed.
struct Refused {
    id: ChunkId,
    length: usize,
    standing: Standing,
}

/// Returns why a file with such chunks is not committed. Adding chunks cannot fix a wrong length.
fn refusal(chunks: Vec<Refused>) -> CommitError {
    match chunks.iter().find(|chunk| chunk.standing == Standing::OtherLength) {
        Some(&Refused { id, length, .. }) => StoreError::from(ChunkError::Length { id, length }).into(),
        None => {
            let mut seen = HashSet::new();
            let chunks = chunks.iter().map(|chunk| chunk.id).filter(|id| seen.insert(*id)).collect();
            CommitError::MissingChunks { chunks }
        }
    }
}

impl Inner {
    async fn commit(self: &Arc<Self>, commit: Commit) -> Result<Root, CommitError> {
        if self.renew(&commit).await? {
            return Ok(commit.root);
        }
        let Commit { root, bytes, chunks } = commit;
        for _ in 0..ATTEMPTS {
            // Rule 2: from now on, a collector that looks for live chunks sees this file, or we see its doom.
            let pending = Folder::Pending.object(self.new_name()?);
            if !self.rules.hold(Rule::PendingFirst) {
                self.refresh(false).await?;
            }
            self.objects.put(&pending, vec![bytes.clone()]).await?;
            if self.rules.hold(Rule::PendingFirst) {
                self.refresh(false).await?;
            }
            let mut refused = self.refused_chunks(&chunks).await?;
            if !refused.is_empty() && self.rules.hold(Rule::Slack) {
                self.refresh(true).await?; // rule 8
                refused = self.refused_chunks(&chunks).await?;
            }
            if !refused.is_empty() {
                drop(self.objects.delete(&pending).await); // if that fails it expires
                return Err(refusal(refused));
            }
            self.settle_packs().await?;
            if self.publish(&pending, &Folder::Manifests.object(root), &bytes).await? {
                return Ok(root);
            }
        }
        Err(StoreError::Contended { attempts: ATTEMPTS }.into())
    }

    /// If the file was committed before and is whole, gives it a new time and returns `true`. Where a manifest
    /// appears in one step, its chunks are kept as long as it exists. Damaged files are committed again.
    async fn renew(self: &Arc<Self>, Commit { root, bytes, chunks }: &Commit) -> Result<bool, StoreError> {
        let (length, limit) = (bytes.len() as u64, self.options.manifest_limit);
        if length > limit {
            return Err(StoreError::ManifestTooLarge { length, limit });
        }
        let manifest = Folder::Manifests.object(*root);
        // Where lists are late, a manifest that was deleted may still be found.
        let possible = self.format.listing_lag.is_zero() && self.objects.renews();
        if !possible || found(self.objects.head(&manifest).await)?.is_none() {
            return Ok(false);
        }
        // A repair may have doomed packs with damaged chunks (rule 2).
        self.refresh(false).await?;
        if !self.refused_chunks(chunks).await?.is_empty() {
            return Ok(false);
        }
        Ok(self.objects.renew(&manifest, bytes).await.unwrap_or(false)) // if that fails, it is written again
    }

    /// Returns the chunks without a reliable copy of this length.
    async fn refused_chunks(
        self: &Arc<Self>,
        chunks: &Arc<[(ChunkId, usize)]>,
    ) -> Result<Vec<Refused>, StoreError> {
        self.all_dooms_known()?;
        let ask = |view: &View, &(id, length): &(ChunkId, usize)| view.standing(&id, length);
        let standings = self.look_up(Arc::clone(chunks), ask).await?;
        let refused = chunks.iter().zip(standings).filter(|(_, standing)| *standing != Standing::Present);
        Ok(refused.map(|(&(id, length), standing)| Refused { id, length, standing }).collect())
    }

    /// Publishes a pending manifest, and returns whether it still existed.
    async fn publish(&self, pending: &str, manifest: &str, bytes: &Bytes) -> Result<bool, ObjectError> {
        let late_lists = !self.format.listing_lag.is_zero();
        // Rule 6: a rename fails once the pending manifest has expired. Where lists are late, both objects must
        // exist for a while.
        if !late_lists && self.rules.hold(Rule::LastingPending) {
            match self.objects.rename(pending, manifest).await {
                Some(Err(error)) if error.is_not_found() => return Ok(false),
                Some(renamed) => return renamed.map(|()| true),
                None => {}
            }
        }
        self.objects.put(manifest, vec![bytes.clone()]).await?;
        if self.rules.hold(Rule::LastingPending) && found(self.objects.head(pending).await)?.is_none() {
            return Ok(false);
        }
        if !late_lists {
            drop(self.objects.delete(pending).await); // if that fails it expires
        }
        Ok(true)
    }
}
