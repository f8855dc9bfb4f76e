//! Where the bytes of a body go until it is complete: to memory, or, while that is short, to a disk.
//!
//! A client may send a body as slowly as it likes. One in memory holds its share for all that time; one on a disk holds
//! almost none.

use super::answer::Refusal;
use super::budget::{Budget, Reservation};
use crate::host::within;
use crate::spool::Spool;
use crate::store::Inner;
use bytes::Bytes;
use std::mem::take;
use std::time::Duration;

/// How long to leave a body unread while it waits for memory.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes to write to a spool together.
const WRITE: usize = 32 << 10;

/// The space for a body.
#[derive(Debug)]
pub(super) enum Space {
    Memory(Reservation),
    /// With memory for the writer.
    Disk(SpoolWriter, Reservation),
}

impl Space {
    /// Takes `needed` bytes of memory. If they are not free soon, takes a spool instead, with
    /// [memory](SpoolWriter::MEMORY) for its writer. Waits until there is one or the other.
    pub(super) async fn take(budget: &Budget, inner: &Inner, needed: u64) -> Result<Self, Refusal> {
        if let Some(memory) = budget.try_take_paced(needed) {
            return Ok(Self::Memory(memory));
        }
        if needed <= SpoolWriter::MEMORY
            && let Some(memory) = budget.try_take_spooled(needed)
        {
            return Ok(Self::Memory(memory));
        }
        let _place = budget.join_line()?;
        let mut taking = Box::pin(budget.take_paced(needed)); // it keeps its place among those that wait
        loop {
            if let Some(taken) = within(&inner.host, PATIENCE, &mut taking).await {
                return Ok(Self::Memory(taken?));
            }
            let Some(memory) = budget.try_take_spooled(SpoolWriter::MEMORY) else { continue };
            if let Some(spool) = inner.spool().await {
                return Ok(Self::Disk(SpoolWriter { buffer: Vec::new(), spool }, memory));
            }
        }
    }
}

/// Writes a body to a spool.
#[derive(Debug)]
pub(super) struct SpoolWriter {
    /// Bytes that are not written yet.
    buffer: Vec<u8>,
    spool: Spool,
}

impl SpoolWriter {
    /// Memory that it takes, in bytes: the buffer, and a piece that is being written.
    pub(super) const MEMORY: u64 = 2 * WRITE as u64;

    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Refusal> {
        if self.buffer.len() + piece.len() < WRITE {
            self.buffer.extend_from_slice(&piece);
            return Ok(());
        }
        self.write(piece).await
    }

    /// Writes the buffer and what follows it.
    async fn write(&mut self, piece: Bytes) -> Result<(), Refusal> {
        let parts = vec![take(&mut self.buffer).into(), piece];
        Ok(self.spool.append(parts).await?)
    }

    /// Returns the spool with all that was pushed.
    pub(super) async fn finish(mut self) -> Result<Spool, Refusal> {
        self.write(Bytes::new()).await?;
        Ok(self.spool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CacheFolder, Store, StoreOptions};
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_large_body_gets_its_turn_among_small_ones() {
        let store = Store::open("memory://", StoreOptions::new().cache(CacheFolder::None)).await.unwrap();
        let budget = Budget::new(64 << 20, 2); // half of it for this
        let _spooled = budget.try_take_spooled(64 << 20).unwrap();
        let held = budget.try_take_paced(16 << 20).unwrap();
        let mut large = Box::pin(Space::take(&budget, &store.inner, 24 << 20));
        let mut small = Box::pin(Space::take(&budget, &store.inner, 16 << 20));
        assert!(large.as_mut().now_or_never().is_none());
        let both = futures::future::select(&mut large, &mut small);
        assert!(tokio::time::timeout(3 * PATIENCE, both).await.is_err(), "there is room for the small one");
        drop(held);
        assert!(matches!(large.await, Ok(Space::Memory(_))));
        assert!(matches!(small.await, Ok(Space::Memory(_))));
    }
}
