//! Packs on their way in.

use super::answer::{Answer, Refusal};
use super::arriving::ArrivingPack;
use super::budget::Reservation;
use super::exchange::Shared;
use super::intake::{self, Intake};
use super::space::{Space, SpoolWriter};
use super::wire::{HEAD, TableReader};
use crate::store::{Inner, Store};
use bytes::Bytes;
use chunker::hashing::HashAlgorithm;
use std::sync::Arc;

/// Bytes of the longest table to read before the pack is complete.
const TABLE: usize = 64 << 10;

/// A pack that is arriving: it is received at once, or, while memory is short, once it is complete.
#[derive(Debug)]
pub(super) enum Arrival {
    Received(Box<Intake>),
    Spooled(Box<Spooled>),
}

impl Arrival {
    /// Begins a pack of `length` bytes; waits until there is space for it.
    pub(super) async fn begin(
        shared: &Arc<Shared>,
        store: &Store,
        algorithm: HashAlgorithm,
        length: u64,
    ) -> Result<Self, Refusal> {
        let (shared, inner) = (Arc::clone(shared), Arc::clone(&store.inner));
        let space = Space::take(&shared.budget, &inner, intake::memory(length)).await?;
        let arriving = shared.arriving.add(Arc::clone(&inner), algorithm);
        Ok(match space {
            Space::Memory(memory) => {
                Self::Received(Box::new(Intake::new(shared, inner, length, memory, arriving)))
            }
            Space::Disk(writer, memory) => {
                let table = Some(TableReader::new(algorithm, length));
                let table_memory = None;
                let spooled =
                    Spooled { shared, inner, length, memory, arriving, table, table_memory, writer };
                Self::Spooled(Box::new(spooled))
            }
        })
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
    /// For the writer.
    memory: Reservation,
    arriving: ArrivingPack,
    /// Reads the table, until it has arrived, unless it is long or memory is short: a wrong one is refused early, and a
    /// right one tells commits whether to wait for this pack.
    table: Option<TableReader>,
    table_memory: Option<Reservation>,
    writer: SpoolWriter,
}

impl Spooled {
    async fn push(&mut self, piece: Bytes) -> Result<(), Refusal> {
        self.read_table(&piece)?;
        self.writer.push(piece).await
    }

    /// Reads what `piece` has of the table.
    fn read_table(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let (mut head, mut rest) = piece.split_at(piece.len().min(HEAD));
        let mut rows = table.take(&mut head, &self.shared.options)?;
        if self.table_memory.is_none()
            && let Some(length) = table.length()
        {
            // As it arrived and as rows, and what is checked of each row.
            let memory = self.shared.budget.try_take_spooled(3 * length as u64);
            self.table_memory = memory.filter(|_| length <= TABLE);
            if self.table_memory.is_none() {
                self.table = None;
                return Ok(());
            }
        }
        if rows.is_none() {
            rows = table.take(&mut rest, &self.shared.options)?;
        }
        if let (Some(rows), Some(memory)) = (rows, &mut self.table_memory) {
            memory.shrink(size_of_val(&rows[..]) as u64);
            self.arriving.set_rows(rows.into());
            self.table = None;
        }
        Ok(())
    }

    /// Receives the pack from the spool.
    async fn finish(self) -> Result<Answer, Refusal> {
        let Self { shared, inner, length, memory: _memory, table_memory: _table, arriving, writer, .. } =
            self;
        let mut spool = writer.finish().await?;
        let memory = shared.budget.take_to_receive(intake::memory(length)).await?;
        let mut intake = Intake::new(shared, inner, length, memory, arriving);
        let mut at = 0;
        while at < length {
            let piece = spool.read().await?;
            intake.push(piece).await?;
            at += piece.len() as u64;
        }
        drop(spool);
        intake.finish().await
    }
}
