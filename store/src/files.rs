//! The files of a store, and how much is in it.

use crate::chunk::Root;
use crate::error::StoreError;
use crate::objects::{Folder, Found, found};
use crate::read::Results;
use crate::store::{Inner, Store};
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
        let inner = Arc::clone(&self.inner);
        let concurrency = inner.options.concurrency;
        let entries = stream::iter(roots).map(move |(root, file)| {
            let inner = Arc::clone(&inner);
            async move {
                let length = inner.file_length(&file).await.transpose()?;
                let entry = |length| FileEntry { root, length, committed: file.modified };
                Some(length.map(entry))
            }
        });
        let entries = entries.buffered(concurrency);
        Ok(entries.filter_map(std::future::ready).boxed())
    }

    /// Returns how much is in the store.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed or read.
    pub async fn usage(&self) -> Result<Usage, StoreError> {
        self.inner.refresh(true).await?;
        let list = self.inner.objects.list(Folder::Manifests, None).await?;
        let files = list.iter().filter(|file| file.name.parse::<Root>().is_ok()).count();
        let mut usage = Usage { files: files as u64, ..Usage::default() };
        for pack in self.inner.view().present() {
            usage.packs += 1;
            usage.doomed_packs += u64::from(pack.doomed);
            usage.chunks += u64::from(pack.chunks);
            usage.bytes += pack.size;
        }
        Ok(usage)
    }
}

impl Inner {
    /// Returns the length that the head of a manifest says, `None` in it when it is not a manifest, and
    /// `None` when it was deleted meanwhile.
    async fn file_length(&self, file: &Found) -> Result<Option<Option<u64>>, StoreError> {
        /// Bytes of the longest head: magic, version, profile id with its length, length of the file.
        const HEAD: u64 = 7 + 1 + 1 + 255 + 8;
        let name = Folder::Manifests.object(&file.name);
        let head = found(self.objects.get(&name, Some(0..file.size.min(HEAD))).await)?;
        Ok(head.map(|head| {
            let profile = usize::from(*head.strip_prefix(b"CDCMNFT\x01")?.first()?);
            Some(u64::from_le_bytes(*head.get(9 + profile..)?.first_chunk()?))
        }))
    }
}
