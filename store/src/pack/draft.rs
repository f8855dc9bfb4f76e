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

/// Chunks that arrive one after another, and become part of the store together. If this is dropped before,
/// nothing remains of them.
///
/// They make one pack, or several if they do not fit into one. `M` is what the memory for them was taken from: it
/// is kept as long as a write uses that memory.
#[derive(Debug)]
pub(crate) struct PackDraft<M> {
    inner: Arc<Inner>,
    memory: Arc<M>,
    /// Bytes to write together.
    batch: u64,
    pack: Open,
    full: Vec<Open>,
}

/// A pack of which a part may have been written.
#[derive(Debug, Default)]
struct Open {
    builder: Builder,
    /// Sum of the chunks' lengths in bytes.
    raw: u64,
    /// Bytes of the parts that were taken from the builder.
    taken: u64,
    /// The last write. The first one begins the object.
    write: Option<Task<Result<Box<dyn Draft>, ObjectError>>>,
}

impl<M: Send + Sync + 'static> PackDraft<M> {
    pub(crate) fn new(inner: Arc<Inner>, memory: Arc<M>, batch: u64) -> Self {
        Self { inner, memory, batch, pack: Open::default(), full: Vec::new() }
    }

    /// Appends an encoded, verified chunk; waits while what came before it is being written.
    pub(crate) async fn push(&mut self, chunk: Encoded) -> Result<(), StoreError> {
        if !self.pack.builder.fits(&chunk) {
            self.full.push(take(&mut self.pack));
        }
        let Open { builder, raw, taken, write } = &mut self.pack;
        *raw += u64::from(chunk.length);
        builder.push(chunk);
        if builder.size() - *taken < self.batch {
            return Ok(());
        }
        let mut object = match write {
            Some(write) => write.await??,
            None => Arc::clone(&self.inner.objects).draft(),
        };
        *taken = builder.size();
        let (parts, memory) = (builder.take_parts(), Arc::clone(&self.memory));
        *write = Some(start_task(&self.inner.host, async move {
            let _memory = memory;
            object.append(parts).await.map(|()| object)
        }));
        Ok(())
    }

    /// Stores all chunks; they are durable once this returns.
    ///
    /// A failure or a crash leaves each pack completely or not at all.
    pub(crate) async fn store(self) -> Result<(), StoreError> {
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
