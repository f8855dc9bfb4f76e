//! Files that are not complete yet.

use super::changes::Changes;
use super::{Disk, temporary};
use crate::objects::{Draft, ObjectError, Operation};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file under a temporary name; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    changes: Arc<dyn Changes>,
    path: PathBuf,
    file: File,
    is_published: bool,
}

impl Temporary {
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

impl Drop for Temporary {
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
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Begun(Temporary),
    /// A part is being written, or was not written completely.
    Lost,
}

impl DiskDraft {
    pub(super) fn new(disk: Arc<Disk>) -> Self {
        Self { disk, state: State::New }
    }

    /// Runs `work` with the file, on a thread for that. The file is lost if that fails.
    async fn run<T: Send + 'static>(
        &mut self,
        name: &str,
        work: impl FnOnce(&super::Inner, &str, Temporary) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let state = std::mem::replace(&mut self.state, State::Lost);
        let host = Arc::clone(&self.disk.host);
        let begun = self.disk.run(Operation::Put, name, move |disk, name| {
            let file = match state {
                State::New => disk.begin(&temporary(&host)?)?,
                State::Begun(file) => file,
                State::Lost => return Err(io::Error::other("an earlier part was not written")),
            };
            work(disk, name, file)
        });
        begun.await
    }
}

#[async_trait::async_trait]
impl Draft for DiskDraft {
    async fn append(&mut self, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        let append = self.run(super::TEMPORARY, move |_, _, file| file.append(&parts).map(|()| file));
        let file = append.await?;
        self.state = State::Begun(file);
        Ok(())
    }

    async fn store(mut self: Box<Self>, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        self.run(name, move |disk, name, file| {
            file.append(&parts)?;
            disk.end(file, name, |temporary, path| disk.changes.rename(temporary, path))
        })
        .await
    }
}

impl Drop for DiskDraft {
    fn drop(&mut self) {
        // To remove a long file takes time.
        if let State::Begun(file) = std::mem::replace(&mut self.state, State::Lost) {
            self.disk.host.run(Box::new(move || drop(file)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TEMPORARY;
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

        let mut stored = Arc::clone(&disk).draft();
        stored.append(parts("one ")).await.unwrap();
        assert_eq!((count(TEMPORARY), count("packs")), (1, 0));
        stored.append(parts("two ")).await.unwrap();
        stored.store("packs/stored", parts("three")).await.unwrap();
        assert_eq!(disk.get("packs/stored", None).await.unwrap(), "one two three");

        let mut dropped = Arc::clone(&disk).draft();
        dropped.append(parts("one")).await.unwrap();
        drop(dropped);
        let mut cancelled = Arc::clone(&disk).draft();
        cancelled.append(parts("one")).await.unwrap();
        drop(cancelled.append(parts("two")).now_or_never());
        assert!(cancelled.append(parts("three")).await.is_err());
        assert!(cancelled.store("packs/cancelled", Vec::new()).await.is_err());

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
