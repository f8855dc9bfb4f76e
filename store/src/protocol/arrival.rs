//! Where a pack goes while it arrives: it is received at once, or, while memory is short, spooled to a disk first.
//!
//! A client may send a pack as slowly as it likes. A pack that is received directly holds memory for all that time; one
//! that is spooled holds almost none, and is received quickly once it is complete.

use super::answer::{Answer, Refusal};
use super::arriving::ArrivingPack;
use super::budget::Reservation;
use super::exchange::Shared;
use super::intake::{self, Intake};
use super::wire::TableReader;
use crate::error::StoreError;
use crate::host::within;
use crate::spool::Spool;
use crate::store::{Inner, Store};
use bytes::Bytes;
use chunker::hashing::HashAlgorithm;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

/// How long to leave a pack unread while it waits for memory.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes to write to a spool together.
const WRITE: usize = 32 << 10;
/// Bytes of the longest table to read before the pack is complete.
const TABLE: usize = 64 << 10;

/// A pack that is arriving.
#[derive(Debug)]
pub(super) enum Arrival {
    Received(Box<Intake>),
    Spooled(Box<Spooled>),
}

impl Arrival {
    /// Begins a pack of `length` bytes; waits until there is memory for it.
    pub(super) async fn begin(
        shared: &Arc<Shared>,
        store: &Store,
        algorithm: HashAlgorithm,
        length: u64,
    ) -> Result<Self, Refusal> {
        let (budget, inner) = (&shared.budget, &store.inner);
        let arriving = || shared.arriving.add(Arc::clone(inner), algorithm);
        let received = |memory| {
            let intake = Intake::new(Arc::clone(shared), Arc::clone(inner), length, memory, arriving());
            Ok(Self::Received(Box::new(intake)))
        };
        let needed = intake::memory(length);
        if let Some(memory) = budget.try_take_paced(needed) {
            return received(memory);
        }
        let _place = budget.join_line()?;
        loop {
            let taking = Box::pin(budget.take_paced(needed));
            if let Some(taken) = within(&inner.host, PATIENCE, taking).await {
                return received(taken?);
            }
            let Some(memory) = budget.try_take_spooled(Spooled::memory(length)) else { continue };
            let Some(spool) = inner.spool().await else {
                drop(memory);
                return received(budget.take_paced(needed).await?);
            };
            let (shared, inner, arriving) = (Arc::clone(shared), Arc::clone(inner), arriving());
            let table = Some(TableReader::new(algorithm, length));
            let buffer = Vec::new();
            let spooled = Spooled { shared, inner, length, memory, arriving, table, buffer, spool };
            return Ok(Self::Spooled(Box::new(spooled)));
        }
    }

    /// Takes the next piece of the pack; waits while earlier ones are being checked or written.
    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Refusal> {
        match self {
            Self::Received(intake) => intake.push(&piece).await,
            Self::Spooled(spooled) => spooled.push(piece).await,
        }
    }

    /// Stores the complete pack, and returns once it is durable.
    pub(super) async fn finish(self) -> Result<Answer, Refusal> {
        match self {
            Self::Received(intake) => intake.finish().await,
            Self::Spooled(spooled) => spooled.finish().await,
        }
    }
}

/// A pack whose bytes are spooled until it is complete.
#[derive(Debug)]
pub(super) struct Spooled {
    shared: Arc<Shared>,
    inner: Arc<Inner>,
    /// Length of the pack in bytes.
    length: u64,
    /// For the table and the buffer.
    memory: Reservation,
    arriving: ArrivingPack,
    /// Reads the table, until it has arrived, unless it is long: a wrong one is refused early, and a right one tells
    /// commits whether to wait for this pack.
    table: Option<TableReader>,
    /// What has arrived but is not yet written.
    buffer: Vec<u8>,
    spool: Spool,
}

impl Spooled {
    /// Returns the most memory that a pack of this length takes while it is spooled, in bytes: its table, as it arrived
    /// and as rows, what is checked of each row, the buffer, and a piece that is being written.
    fn memory(length: u64) -> u64 {
        3 * length.min(TABLE as u64) + 2 * WRITE as u64
    }

    async fn push(&mut self, piece: Bytes) -> Result<(), Refusal> {
        if let Some(table) = &mut self.table {
            if let Some(rows) = table.take(&mut &piece[..], &self.shared.options)? {
                self.memory.shrink((2 * WRITE + size_of_val(&rows[..])) as u64);
                self.arriving.set_rows(rows.into());
                self.table = None;
            } else if table.length().is_some_and(|length| length > TABLE) {
                self.memory.shrink(2 * WRITE as u64);
                self.table = None;
            }
        }
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

    /// Receives the pack from the spool.
    async fn finish(mut self) -> Result<Answer, Refusal> {
        self.write(Bytes::new()).await?;
        let Self { shared, inner, length, memory: _memory, arriving, mut spool, .. } = self;
        let memory = shared.budget.take_for_spooled(intake::memory(length)).await?;
        let mut intake = Intake::new(shared, inner, length, memory, arriving);
        let mut at = 0;
        while at < length {
            let piece = spool.read().await.map_err(StoreError::from)?;
            intake.push(piece).await?;
            at += piece.len() as u64;
        }
        drop(spool);
        intake.finish().await
    }
}
