//! Files that have no name in the store yet.

use super::changes::Changes;
use super::{Disk, Inner, TEMPORARY};
use crate::objects::{Draft, ObjectError, Operation};
use bytes::Bytes;
use std::fs::File;
use std::io;
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
}
