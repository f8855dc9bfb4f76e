//! Writes packs while their chunks arrive.

use super::builder::Builder;
use super::encoding::Encoded;
use super::writer::{store_pack, write_pack};
use crate::error::StoreError;
use crate::host::{Task, start_task};
use crate::objects::{Draft, ObjectError};
use crate::store::Inner;
use std::mem::take;
use std::sync::Arc;

/// Chunks that arrive one after another and become part of the store together. If the draft is dropped before
/// [`store`](Self::store), none of them remains.
///
/// They make one pack, or several if they do not fit into one. `M` is the reservation of their memory, held until the
/// last write has ended.
#[derive(Debug)]
pub(crate) struct PackDraft<M> {
    inner: Arc<Inner>,
    memory: Arc<M>,
    /// Bytes to write together.
    batch: u64,
    pack: Open,
    full: Vec<Open>,
    /// Why a write failed. Chunks that come after it are dropped.
    failure: Option<StoreError>,
}

/// A pack that may be partly written.
#[derive(Debug, Default)]
struct Open {
    builder: Builder,
    /// Sum of the chunks' lengths in bytes.
    raw: u64,
    /// [`Builder::size`] when its parts were last taken.
    taken: u64,
    /// The latest write; `None` before the first one.
    write: Option<Task<Result<Box<dyn Draft>, ObjectError>>>,
}

impl<M: Send + Sync + 'static> PackDraft<M> {
    pub(crate) fn new(inner: Arc<Inner>, memory: Arc<M>, batch: u64) -> Self {
        Self { inner, memory, batch, pack: Open::default(), full: Vec::new(), failure: None }
    }

    /// Appends an encoded, verified chunk; waits while earlier ones are being written. [`store`](Self::store) reports
    /// failures.
    pub(crate) async fn push(&mut self, chunk: Encoded) {
        if self.failure.is_some() {
            return;
        }
        if !self.pack.builder.fits(&chunk) {
            self.full.push(take(&mut self.pack));
        }
        self.pack.raw += u64::from(chunk.length);
        self.pack.builder.push(chunk);
        if self.pack.builder.size() - self.pack.taken >= self.batch {
            self.failure = self.start_write().await.err();
        }
    }

    /// Starts to write what was pushed, after the write in progress.
    async fn start_write(&mut self) -> Result<(), StoreError> {
        let Open { builder, taken, write, .. } = &mut self.pack;
        let object = match write {
            Some(write) => write.await??,
            None => Arc::clone(&self.inner.objects).draft()?,
        };
        *taken = builder.size();
        let (parts, memory) = (builder.take_parts(), Arc::clone(&self.memory));
        *write = Some(start_task(&self.inner.host, async move {
            let _memory = memory;
            object.append(parts).await
        }));
        Ok(())
    }

    /// Stores all chunks; they are durable once this returns.
    ///
    /// A failure or a crash leaves each pack completely or not at all.
    pub(crate) async fn store(self) -> Result<(), StoreError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let _memory = self.memory;
        for Open { builder, raw, write, .. } in self.full.into_iter().chain([self.pack]) {
            if let Some(write) = write {
                let object = write.await??;
                store_pack(&self.inner, builder, raw, async |name, parts| object.store(name, parts).await)
                    .await?;
            } else if !builder.is_empty() {
                write_pack(Arc::clone(&self.inner), builder, raw).await?;
            }
        }
        Ok(())
    }
}
