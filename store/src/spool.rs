//! Bytes that are kept on this machine for a while.

use crate::format;
use crate::host::{Host, start_work, within};
use crate::index::{CACHE_PATIENCE, Cache};
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
    /// The cache that it is beside, unless it is on the disk of the store.
    cache: Option<Cache>,
    /// Bytes that were read.
    read: u64,
    /// The last piece that was read.
    piece: Vec<u8>,
}

/// A spool could not be written or read.
#[derive(Debug)]
pub(crate) struct SpoolError {
    pub(crate) error: ObjectError,
    /// Whether it was on the disk of the store.
    pub(crate) is_of_store: bool,
}

impl Inner {
    /// Returns an empty spool, on the store's own disk, or beside the cache if the store is elsewhere. Returns `None` if
    /// there is no such place, or it cannot be used at the moment.
    pub(crate) async fn spool(&self) -> Option<Spool> {
        let (folder, cache) = match self.objects.temporary_folder() {
            Some(folder) => (folder, None),
            None => (self.cache.spool_folder(self.host.as_ref())?, Some(self.cache.clone())),
        };
        let is_of_store = cache.is_none();
        let create = move || {
            if is_of_store {
                fs::metadata(folder.with_file_name(format::NAME))?; // the store may be gone
            }
            fs::create_dir_all(&folder)?;
            tempfile::tempfile_in(folder)
        };
        let file = run(&self.host, cache.as_ref(), create).await.ok()?;
        let (host, file) = (Arc::clone(&self.host), Arc::new(file));
        Some(Spool { host, file, cache, read: 0, piece: Vec::new() })
    }
}

/// Runs `work` with a spool, beside the cache if there is one: if that fails, or hangs, nothing is spooled there for a
/// while.
async fn run<T: Send + 'static>(
    host: &Arc<dyn Host>,
    cache: Option<&Cache>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let working = start_work(host, work);
    let Some(cache) = cache else { return working.await.map_err(io::Error::other).flatten() };
    let done = within(host, CACHE_PATIENCE, working).await;
    if done.is_none() {
        cache.disable(); // each call may hold a thread
    }
    let done = done.ok_or(io::ErrorKind::TimedOut)?.map_err(io::Error::other).flatten();
    done.inspect_err(|_| cache.spool_failed(host.as_ref()))
}

impl Spool {
    /// Appends the concatenated `parts`.
    pub(crate) async fn append(&mut self, parts: Vec<Bytes>) -> Result<(), SpoolError> {
        let append = move |mut file: &File| parts.iter().try_for_each(|part| file.write_all(part));
        self.run(Operation::Put, append).await
    }

    /// Returns the next piece of what was appended, or an error after the last. Append nothing afterwards.
    pub(crate) async fn read(&mut self) -> Result<&[u8], SpoolError> {
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
    ) -> Result<T, SpoolError> {
        let file = Arc::clone(&self.file);
        let done = run(&self.host, self.cache.as_ref(), move || work(&file)).await;
        done.map_err(|error| {
            let error = ObjectError::from_io(operation, "spool", error);
            SpoolError { error, is_of_store: self.cache.is_none() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::TokioHost;
    use crate::{CacheFolder, Store, StoreOptions};
    use futures::future::BoxFuture;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};

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
    fn files(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
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
    async fn after_a_failure_nothing_is_spooled_beside_the_cache_for_a_while() {
        with_stores("refusal", |store| async move {
            let mut spool = store.inner.spool().await.unwrap();
            spool.file = File::open(std::env::current_exe().unwrap()).unwrap().into(); // only for reading
            let error = spool.append(vec![Bytes::from("one")]).await.unwrap_err();
            assert_eq!(error.is_of_store, store.url().starts_with("file:"));
            assert_eq!(store.inner.spool().await.is_some(), error.is_of_store, "the cache gets a pause");
        })
        .await;
    }

    /// A host whose disk may hang, and whose time then flies.
    #[derive(Debug)]
    struct Hanging {
        host: TokioHost,
        hangs: AtomicBool,
        hung: AtomicUsize,
    }

    impl Host for Hanging {
        fn now(&self) -> SystemTime {
            self.host.now()
        }

        fn elapsed(&self) -> Duration {
            self.host.elapsed()
        }

        fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
            self.host.random(bytes)
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.host.sleep(if self.hangs.load(Ordering::Relaxed) { Duration::ZERO } else { duration })
        }

        fn spawn(&self, task: BoxFuture<'static, ()>) {
            self.host.spawn(task);
        }

        fn run(&self, work: Box<dyn FnOnce() + Send>) {
            if self.hangs.load(Ordering::Relaxed) {
                self.hung.fetch_add(1, Ordering::Relaxed);
                std::mem::forget(work);
            } else {
                self.host.run(work);
            }
        }

        fn parallelism(&self) -> usize {
            self.host.parallelism()
        }
    }

    #[tokio::test]
    async fn a_cache_that_hangs_holds_one_thread() {
        let folder = std::env::temp_dir().join(format!("chunker-store-hang-{}", std::process::id()));
        let host = TokioHost::new(tokio::runtime::Handle::current());
        let host = Arc::new(Hanging { host, hangs: false.into(), hung: 0.into() });
        let options = StoreOptions::new().cache(CacheFolder::At(folder));
        let objects = Arc::new(object_store::memory::InMemory::new());
        let store =
            Store::over(objects, "".into(), "memory://", Arc::clone(&host) as _, options).await.unwrap();
        host.hangs.store(true, Ordering::Relaxed);
        for _ in 0..20 {
            assert!(store.inner.spool().await.is_none());
        }
        assert_eq!(host.hung.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_store_that_is_gone_gets_no_spool() {
        let root = std::env::temp_dir().join(format!("chunker-store-gone-{}", std::process::id()));
        let store = store(root.to_str().unwrap(), CacheFolder::None).await;
        assert!(store.inner.spool().await.is_some());
        fs::remove_dir_all(&root).unwrap();
        assert!(store.inner.spool().await.is_none() && !root.exists());
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
