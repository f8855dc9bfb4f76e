//! Where the bytes of a body go until it is complete: to memory, or, while that is short, to a disk.
//!
//! A client may send a body as slowly as it likes. One in memory holds its share for all that time; one on a disk holds
//! almost none.

use super::answer::Refusal;
use super::budget::{Budget, Reservation};
use crate::error::StoreError;
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
    /// With memory for the writer, and for what is kept beside it.
    Disk(SpoolWriter, Reservation),
}

impl Space {
    /// Takes `needed` bytes of memory. If they are not free soon, takes a spool instead, and `beside` bytes of memory on
    /// top of the [writer's](SpoolWriter::MEMORY). Waits until there is one or the other.
    pub(super) async fn take(
        budget: &Budget,
        inner: &Inner,
        needed: u64,
        beside: u64,
    ) -> Result<Self, Refusal> {
        if let Some(memory) = budget.try_take_paced(needed) {
            return Ok(Self::Memory(memory));
        }
        let spooled = SpoolWriter::MEMORY + beside;
        if needed <= spooled
            && let Some(memory) = budget.try_take_spooled(needed)
        {
            return Ok(Self::Memory(memory));
        }
        let _place = budget.join_line()?;
        loop {
            let taking = Box::pin(budget.take_paced(needed));
            if let Some(taken) = within(&inner.host, PATIENCE, taking).await {
                return Ok(Self::Memory(taken?));
            }
            let Some(memory) = budget.try_take_spooled(spooled) else { continue };
            if let Some(spool) = inner.spool().await {
                return Ok(Self::Disk(SpoolWriter { buffer: Vec::new(), spool }, memory));
            }
            drop(memory);
            return Ok(Self::Memory(budget.take_paced(needed).await?));
        }
    }
}

/// Writes a body to a spool.
#[derive(Debug)]
pub(super) struct SpoolWriter {
    /// What has arrived but is not yet written.
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
        self.spool.append(parts).await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Returns the spool with all that was pushed.
    pub(super) async fn finish(mut self) -> Result<Spool, Refusal> {
        self.write(Bytes::new()).await?;
        Ok(self.spool)
    }
}
