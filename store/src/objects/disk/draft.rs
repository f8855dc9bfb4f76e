//! Files that have no name in the store yet, or never get one.

use super::changes::Changes;
use super::{Disk, Inner, TEMPORARY};
use crate::objects::{Draft, ObjectError, Operation, Spool};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file under a temporary name; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    changes: Arc<dyn Changes>,
    path: PathBuf,
    file: File,
    is_published: bool,
}

impl TemporaryFile {
    pub(super) fn create(changes: Arc<dyn Changes>, path: PathBuf) -> io::Result<Self> {
        let file = changes.create(&path)?;
        Ok(Self { changes, path, file, is_published: false })
    }

    pub(super) fn append(&self, parts: &[Bytes]) -> io::Result<()> {
        self.changes.append(&self.path, &self.file, parts)
    }

    /// Returns the file to read from an offset.
    pub(super) fn from(&self, offset: u64) -> io::Result<&File> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    /// Makes the bytes durable, and lets `publish` give the file another name.
    pub(super) fn publish(mut self, publish: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        self.changes.sync(&self.path, &self.file)?;
        publish(&self.path)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_published {
            drop(self.changes.remove(&self.path));
        }
    }
}

/// A draft in a temporary file.
#[derive(Debug)]
pub(super) struct DiskDraft {
    disk: Arc<Disk>,
    temporary: String,
    /// `None` before the first write.
    file: Option<TemporaryFile>,
}

impl DiskDraft {
    pub(super) fn new(disk: Arc<Disk>, temporary: String) -> Self {
        Self { disk, temporary, file: None }
    }

    /// Runs `work` with the file, on a thread where it blocks no task.
    async fn run<T: Send + 'static>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Inner, &str, TemporaryFile) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let (file, temporary) = (self.file.take(), self.temporary.clone());
        let work = self.disk.run(Operation::Put, name, move |disk, name| {
            let file = file.map_or_else(|| disk.create_temporary(&temporary), Ok)?;
            work(disk, name, file)
        });
        work.await
    }
}

#[async_trait::async_trait]
impl Draft for DiskDraft {
    async fn append(mut self: Box<Self>, parts: Vec<Bytes>) -> Result<Box<dyn Draft>, ObjectError> {
        let name = format!("{TEMPORARY}/{}", self.temporary);
        let file = self.run(&name, move |_, _, file| file.append(&parts).map(|()| file)).await?;
        self.file = Some(file);
        Ok(self)
    }

    async fn store(mut self: Box<Self>, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        self.run(name, move |disk, name, file| {
            file.append(&parts)?;
            disk.publish(file, name, |temporary, path| disk.changes.rename(temporary, path))
        })
        .await
    }
}

/// A spool in a temporary file.
#[derive(Debug)]
pub(super) struct DiskSpool {
    disk: Arc<Disk>,
    /// `None` before the first write.
    file: Option<Arc<TemporaryFile>>,
}

impl DiskSpool {
    pub(super) const fn new(disk: Arc<Disk>) -> Self {
        Self { disk, file: None }
    }
}

#[async_trait::async_trait]
impl Spool for DiskSpool {
    async fn append(&mut self, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        let (file, temporary) = (self.file.clone(), self.disk.temporary(TEMPORARY)?);
        let work = self.disk.run(Operation::Put, TEMPORARY, move |disk, _| {
            let file = file.map_or_else(|| disk.create_temporary(&temporary).map(Arc::new), Ok)?;
            file.append(&parts).map(|()| file)
        });
        self.file = Some(work.await?);
        Ok(())
    }

    async fn read(&mut self, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let file = self.file.clone();
        let work = self.disk.run(Operation::Get, TEMPORARY, move |disk, _| {
            let file = file.ok_or(io::ErrorKind::UnexpectedEof)?;
            disk.read(file.from(range.start)?, &range)
        });
        work.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::TokioHost;
    use crate::objects::Objects as _;
    use futures::FutureExt as _;
    use std::fs;
    use std::time::Duration;

    fn parts(text: &'static str) -> Vec<Bytes> {
        vec![Bytes::from_static(text.as_bytes())]
    }

    #[tokio::test]
    async fn a_draft_gets_its_name_once_it_is_complete_and_otherwise_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("chunker-store-draft-{}", std::process::id()));
        let host = Arc::new(TokioHost::new(tokio::runtime::Handle::current()));
        let disk = Arc::new(Disk::new(&root, host).unwrap());
        let count = |folder| fs::read_dir(root.join(folder)).map_or(0, Iterator::count);

        let draft = || Arc::clone(&disk).draft().unwrap();
        let stored = draft().append(parts("one ")).await.unwrap();
        assert_eq!((count(TEMPORARY), count("packs")), (1, 0));
        let stored = stored.append(parts("two ")).await.unwrap();
        stored.store("packs/stored", parts("three")).await.unwrap();
        assert_eq!(disk.get("packs/stored", None).await.unwrap(), "one two three");

        drop(draft().append(parts("one")).await.unwrap());
        // Dropped before its first poll, and afterwards.
        drop(draft().append(parts("one")).await.unwrap().append(parts("two")));
        drop(draft().append(parts("one")).await.unwrap().append(parts("two")).now_or_never());
        drop(draft().append(parts("one")).await.unwrap().store("packs/dropped", parts("two")));

        for _ in 0..1000 {
            if count(TEMPORARY) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((count(TEMPORARY), count("packs")), (0, 1));
        fs::remove_dir_all(root).unwrap();
    }

    #[tokio::test]
    async fn a_spool_returns_what_was_appended_and_leaves_nothing() {
        let root = std::env::temp_dir().join(format!("chunker-store-spool-{}", std::process::id()));
        let host = Arc::new(TokioHost::new(tokio::runtime::Handle::current()));
        let disk = Arc::new(Disk::new(&root, host).unwrap());
        let count = || fs::read_dir(root.join(TEMPORARY)).map_or(0, Iterator::count);
        let mut spool = Arc::clone(&disk).spool().unwrap();
        assert_eq!(spool.read(0..1).await.unwrap_err().kind, io::ErrorKind::UnexpectedEof);
        spool.append([parts("one "), parts("two ")].concat()).await.unwrap();
        spool.append(parts("three")).await.unwrap();
        assert_eq!(spool.read(4..13).await.unwrap(), "two three");
        assert_eq!(spool.read(0..3).await.unwrap(), "one");
        assert_eq!(spool.read(4..14).await.unwrap_err().kind, io::ErrorKind::UnexpectedEof);
        assert_eq!(count(), 1);
        drop(spool);
        let mut dropped = Arc::clone(&disk).spool().unwrap();
        dropped.append(parts("one")).await.unwrap();
        drop(dropped.append(parts("two")).now_or_never());
        drop(dropped);
        for _ in 0..1000 {
            if count() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(count(), 0);
        fs::remove_dir_all(root).unwrap();
    }
}
