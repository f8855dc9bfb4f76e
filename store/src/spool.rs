//! Bytes that are kept on this machine for a while.

use crate::host::{Host, start_work, within};
use crate::index::CACHE_PATIENCE;
use crate::objects::{ObjectError, Operation};
use crate::store::Inner;
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem::take;
use std::sync::Arc;

/// Bytes to read together.
const PIECE: usize = 256 << 10;

/// A file without a name: nothing of it remains, even if this process is killed.
#[derive(Debug)]
pub(crate) struct Spool {
    host: Arc<dyn Host>,
    file: Arc<File>,
    /// Whether it is on the disk of the store.
    is_in_store: bool,
    /// How many bytes were read.
    read: u64,
    /// The last piece that was read.
    piece: Vec<u8>,
}

impl Inner {
    /// Returns an empty spool, on the store's own disk, or beside the cache if the store is elsewhere. Returns `None` if
    /// there is no such place, or nothing can be written to it.
    pub(crate) async fn spool(&self) -> Option<Spool> {
        let own = self.objects.temporary_folder();
        let is_in_store = own.is_some();
        let folder = own.or_else(|| self.cache.folder())?;
        let creating = start_work(&self.host, move || {
            fs::create_dir_all(&folder)?;
            tempfile::tempfile_in(folder)
        });
        let file = within(&self.host, CACHE_PATIENCE, creating).await?.ok()?.ok()?;
        let (host, file) = (Arc::clone(&self.host), Arc::new(file));
        Some(Spool { host, file, is_in_store, read: 0, piece: Vec::new() })
    }
}

impl Spool {
    /// Appends the concatenated `parts`.
    pub(crate) async fn append(&mut self, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        let append = move |mut file: &File| parts.iter().try_for_each(|part| file.write_all(part));
        self.run(Operation::Put, append).await
    }

    /// Returns the next piece of what was appended, or an error after the last. Append nothing afterwards.
    pub(crate) async fn read(&mut self) -> Result<&[u8], ObjectError> {
        let (start, mut piece) = (self.read, take(&mut self.piece));
        let read = move |mut file: &File| {
            piece.clear();
            piece.reserve_exact(PIECE);
            file.seek(SeekFrom::Start(start))?;
            match file.take(PIECE as u64).read_to_end(&mut piece)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(piece),
            }
        };
        self.piece = self.run(Operation::Get, read).await?;
        self.read += self.piece.len() as u64;
        Ok(&self.piece)
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let file = Arc::clone(&self.file);
        let done = start_work(&self.host, move || work(&file)).await;
        done.map_err(io::Error::other).flatten().map_err(|error| {
            let mut error = ObjectError::from_io(operation, "spool", error);
            // The store has room, even if the disk with the cache is full.
            if !self.is_in_store {
                error.kind = io::ErrorKind::ResourceBusy;
            }
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CacheFolder, Store, StoreOptions};
    use std::path::Path;

    async fn store(address: &str, cache: CacheFolder) -> Store {
        Store::open(address, StoreOptions::new().cache(cache)).await.unwrap()
    }

    /// Calls `test` with a store on a disk, and one elsewhere with a cache on a disk.
    async fn with_stores<F: Future<Output = ()>>(name: &str, test: impl Fn(Store) -> F) {
        let root = std::env::temp_dir().join(format!("chunker-store-spool-{name}-{}", std::process::id()));
        test(store(root.to_str().unwrap(), CacheFolder::None).await).await;
        test(store("memory://", CacheFolder::At(root.join("cache"))).await).await;
        assert!(files(&root).all(|file| file.ends_with("format")));
        fs::remove_dir_all(root).unwrap();
    }

    /// Returns the files below a folder.
    fn files(folder: &Path) -> Box<dyn Iterator<Item = std::path::PathBuf>> {
        Box::new(fs::read_dir(folder).unwrap().flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { Box::new(std::iter::once(path)) }
        }))
    }

    #[tokio::test]
    async fn a_spool_returns_what_was_appended_and_leaves_nothing() {
        with_stores("bytes", |store| async move {
            let mut spool = store.inner.spool().await.unwrap();
            let bytes: Vec<u8> = (0..=250).cycle().take(PIECE + 1000).collect();
            let (one, two) = bytes.split_at(5000);
            spool.append(vec![one[..1000].to_vec().into(), one[1000..].to_vec().into()]).await.unwrap();
            spool.append(vec![two.to_vec().into()]).await.unwrap();
            assert!(spool.read().await.unwrap() == &bytes[..PIECE]);
            assert!(spool.read().await.unwrap() == &bytes[PIECE..]);
            assert!(spool.read().await.is_err());
        })
        .await;
    }

    #[tokio::test]
    async fn a_disk_that_refuses_a_spool_is_the_stores_or_makes_the_server_busy() {
        with_stores("refusal", |store| async move {
            let mut spool = store.inner.spool().await.unwrap();
            spool.file = File::open(std::env::current_exe().unwrap()).unwrap().into(); // only for reading
            let kind = spool.append(vec![Bytes::from("one")]).await.unwrap_err().kind;
            assert_eq!(kind == io::ErrorKind::ResourceBusy, !store.url().starts_with("file:"));
        })
        .await;
    }

    #[tokio::test]
    async fn without_a_disk_there_is_no_spool() {
        assert!(store("memory://", CacheFolder::None).await.inner.spool().await.is_none());
        let file = std::env::temp_dir().join(format!("chunker-store-no-folder-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        assert!(store("memory://", CacheFolder::At(file.clone())).await.inner.spool().await.is_none());
        fs::remove_file(file).unwrap();
    }
}
