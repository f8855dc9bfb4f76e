//! The files of a store, and its size.

use crate::chunk::Root;
use crate::error::StoreError;
use crate::objects::{Folder, Found, found};
use crate::read::Results;
use crate::store::{Inner, Store};
use chunker::Profile;
use futures::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::time::SystemTime;

/// A listed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileEntry {
    /// The file's name.
    pub root: Root,
    /// Length of the file in bytes, or `None` when the manifest is damaged.
    pub length: Option<u64>,
    /// When it was last committed, by the clock of the file system or service, or of the process that committed it
    /// again.
    pub committed: SystemTime,
}

/// The size of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Number of packs, including doomed ones.
    pub packs: u64,
    /// Number of packs that a collection will delete.
    pub doomed_packs: u64,
    /// Number of chunks in all packs; a chunk in two packs counts twice.
    pub chunks: u64,
    /// Bytes of all packs.
    pub bytes: u64,
}

impl Store {
    /// Returns the files, sorted by root.
    ///
    /// The list may or may not include files that are committed or deleted while it is read.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed; in the stream, when a manifest cannot be
    /// read.
    pub async fn manifests(&self) -> Result<Results<FileEntry>, StoreError> {
        Ok(self.files_in(self.inner.objects.list(Folder::Manifests, None).await?))
    }

    /// Returns at most `most` files after one, sorted by root.
    pub(crate) async fn files_after(
        &self,
        after: Option<Root>,
        most: usize,
    ) -> Result<Results<FileEntry>, StoreError> {
        let after = after.map(|root| root.to_string());
        let mut list = self.inner.objects.list(Folder::Manifests, after.as_deref()).await?;
        list.retain(|file| after.as_ref().is_none_or(|after| file.name > *after));
        list.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        list.truncate(most);
        Ok(self.files_in(list))
    }

    fn files_in(&self, list: Vec<Found>) -> Results<FileEntry> {
        let roots = list.into_iter().filter_map(|file| Some((file.name.parse().ok()?, file)));
        let roots: Vec<(Root, Found)> = roots.collect();
        let head = |file: &Found| (Folder::Manifests.object(&file.name), 0..file.size.min(HEAD));
        let heads: Vec<_> = roots.iter().map(|(_, file)| head(file)).collect();
        let objects = Arc::clone(&self.inner.objects);
        let heads = objects.get_many(Box::new(heads.into_iter()), self.inner.options.concurrency);
        let entries = heads.zip(stream::iter(roots)).map(|(head, (root, file))| {
            let head = found(head).map_err(StoreError::from).transpose()?; // deleted meanwhile
            let entry = |length| FileEntry { root, length, committed: file.modified };
            Some(head.map(|head| entry(parse_head(&head).map(|(_, length)| length))))
        });
        entries.filter_map(std::future::ready).boxed()
    }

    /// Returns the root of every file, in order, and when it was last committed, by the clock of the file
    /// system or service. Unlike [`manifests`](Self::manifests), it reads no manifest.
    ///
    /// # Errors
    /// [`StoreError::Object`], when the store cannot be listed.
    pub async fn roots(&self) -> Result<Vec<(Root, SystemTime)>, StoreError> {
        let list = self.inner.objects.list(Folder::Manifests, None).await?;
        Ok(list.iter().filter_map(|file| Some((file.name.parse().ok()?, file.modified))).collect())
    }

    /// Returns the size of the store.
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

impl Inner {
    /// Returns the length in bytes of a file, as the head of its manifest of `size` bytes gives it, if the file exists.
    pub(crate) async fn file_length(&self, root: Root, size: u64) -> Result<Option<u64>, StoreError> {
        let name = Folder::Manifests.object(root);
        let Some(head) = found(self.objects.get(&name, Some(0..size.min(HEAD))).await)? else {
            return Ok(None);
        };
        let is_valid = |profile| std::str::from_utf8(profile).is_ok_and(|id| id.parse::<Profile>().is_ok());
        let parsed = parse_head(&head).filter(|(profile, _)| is_valid(profile));
        parsed.map(|(_, length)| Some(length)).ok_or(StoreError::ManifestDigest { name })
    }
}

/// Returns the profile id and the length of the file from the head of a manifest.
fn parse_head(head: &[u8]) -> Option<(&[u8], u64)> {
    let (&profile, rest) = head.strip_prefix(b"CDCMNFT\x01")?.split_first()?;
    let (profile, rest) = rest.split_at_checked(profile.into())?;
    Some((profile, u64::from_le_bytes(*rest.first_chunk()?)))
}
