//! The files of a store, and how much is in it.

use crate::chunk::Root;
use crate::error::StoreError;
use crate::objects::{Folder, Found, found};
use crate::read::Results;
use crate::store::Store;
use futures::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::time::SystemTime;

/// A file in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileEntry {
    /// The file's name.
    pub root: Root,
    /// Length of the file in bytes, or `None` when the manifest is damaged.
    pub length: Option<u64>,
    /// When it was last committed, by the clock of what holds the store.
    pub committed: SystemTime,
}

/// How much is in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Number of packs, doomed ones included.
    pub packs: u64,
    /// Number of packs that will be deleted by a collection.
    pub doomed_packs: u64,
    /// Number of chunks in all packs; one that is in two packs counts twice.
    pub chunks: u64,
    /// Bytes of all packs.
    pub bytes: u64,
}

impl Store {
    /// Returns the files, ordered by root.
    ///
    /// A file that is committed or deleted meanwhile may be among them or not.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed; in the stream, when a manifest cannot be
    /// read.
    pub async fn manifests(&self) -> Result<Results<FileEntry>, StoreError> {
        let list = self.inner.objects.list(Folder::Manifests, None).await?;
        let roots = list.into_iter().filter_map(|file| Some((file.name.parse().ok()?, file)));
        let roots: Vec<(Root, Found)> = roots.collect();
        let head = |file: &Found| (Folder::Manifests.object(&file.name), 0..file.size.min(HEAD));
        let heads: Vec<_> = roots.iter().map(|(_, file)| head(file)).collect();
        let objects = Arc::clone(&self.inner.objects);
        let heads = objects.get_many(Box::new(heads.into_iter()), self.inner.options.concurrency);
        let entries = heads.zip(stream::iter(roots)).map(|(head, (root, file))| {
            let head = found(head).map_err(StoreError::from).transpose()?; // deleted meanwhile
            let entry = |length| FileEntry { root, length, committed: file.modified };
            Some(head.map(|head| entry(file_length(&head))))
        });
        Ok(entries.filter_map(std::future::ready).boxed())
    }

    /// Returns the root of every file, in order, and when it was last committed, by the clock of what holds
    /// the store. Reads no manifest, as [`manifests`](Self::manifests) does.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed.
    pub async fn roots(&self) -> Result<Vec<(Root, SystemTime)>, StoreError> {
        let list = self.inner.objects.list(Folder::Manifests, None).await?;
        Ok(list.iter().filter_map(|file| Some((file.name.parse().ok()?, file.modified))).collect())
    }

    /// Returns how much is in the store.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed or read.
    pub async fn usage(&self) -> Result<Usage, StoreError> {
        self.inner.refresh(true).await?;
        let mut usage = Usage { files: self.roots().await?.len() as u64, ..Usage::default() };
        for pack in self.inner.view().present() {
            usage.packs += 1;
            usage.doomed_packs += u64::from(pack.doomed);
            usage.chunks += u64::from(pack.chunks);
            usage.bytes += pack.size;
        }
        Ok(usage)
    }
}

/// Bytes of the longest head of a manifest: magic, version, profile id with its length, length of the file.
const HEAD: u64 = 7 + 1 + 1 + 255 + 8;

/// Returns the length that the head of a manifest says, `None` when it is not a manifest.
fn file_length(head: &[u8]) -> Option<u64> {
    let profile = usize::from(*head.strip_prefix(b"CDCMNFT\x01")?.first()?);
    Some(u64::from_le_bytes(*head.get(9 + profile..)?.first_chunk()?))
}
