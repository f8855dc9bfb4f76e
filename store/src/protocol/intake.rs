//! Receives a pack: checks, encodes and writes its chunks as they arrive, and publishes it once it is complete.

use super::answer::{Answer, Refusal};
use super::arriving::ArrivingPack;
use super::budget::Reservation;
use super::exchange::Shared;
use super::json::Json;
use super::wire::{Row, TableReader};
use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::host::{Task, start_task, start_work};
use crate::pack::PackDraft;
use crate::pack::encoding::{ChunkError, Encoded, Incoming, Kind, encode};
use crate::store::Inner;
use bytes::Bytes;
use chunker::compression::DecompressionLimits;
use futures::FutureExt as _;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Bytes of chunks to check and encode together.
const BATCH: usize = 1 << 20;
/// Bytes of a pack to write together.
const WRITE: u64 = 1 << 20;
/// Limit for the batches of one pack in progress; then the sender waits.
const BATCHES: usize = 2;
/// Base-2 logarithm of the largest window of a zstd frame (RFC 9659).
const WINDOW_LOG: u32 = 23;

/// Returns the most memory that receiving a pack of this length can take, in bytes: what has arrived, encoded or not,
/// and the batches in progress. What is already on a disk takes none.
pub(super) const fn memory(length: u64) -> u64 {
    let with_batches = length + (4 << 20);
    let with_rows = length * 8; // tiny chunks, whose rows are longer than they are
    if with_rows < with_batches { with_rows } else { with_batches }
}

/// A pack that is arriving.
#[derive(Debug)]
pub(super) struct Intake {
    shared: Arc<Shared>,
    inner: Arc<Inner>,
    memory: Arc<Reservation>,
    table: TableReader,
    /// The rows of the table; empty until all have arrived.
    rows: Arc<[Row]>,
    /// The row of the chunk that is arriving.
    next: usize,
    /// Lets commits wait for this pack.
    arriving: ArrivingPack,
    chunk: Vec<u8>,
    batch: Vec<Incoming>,
    batch_bytes: usize,
    batches: VecDeque<Task<Result<Vec<Encoded>, IntakeError>>>,
    /// How many chunks were added to the draft.
    drafted: usize,
    draft: PackDraft<Reservation>,
    /// Batches are encoded only while this exists.
    wanted: Arc<()>,
}

/// Why a batch was not encoded.
#[derive(Debug)]
enum IntakeError {
    Chunk(ChunkError),
    Store(StoreError),
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Chunk(error) => Self::of_chunk(&error),
            IntakeError::Store(error) => error.into(),
        }
    }
}

impl Intake {
    pub(super) fn new(
        shared: Arc<Shared>,
        inner: Arc<Inner>,
        length: u64,
        memory: Reservation,
        arriving: ArrivingPack,
    ) -> Self {
        let memory = Arc::new(memory);
        let draft = PackDraft::new(Arc::clone(&inner), Arc::clone(&memory), WRITE);
        Self {
            shared,
            inner,
            memory,
            table: TableReader::new(arriving.algorithm(), length),
            rows: Arc::default(),
            next: 0,
            arriving,
            chunk: Vec::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            batches: VecDeque::new(),
            drafted: 0,
            draft,
            wanted: Arc::default(),
        }
    }

    /// Takes a piece of the pack; waits while enough of it is being checked.
    pub(super) async fn push(&mut self, mut piece: &[u8]) -> Result<(), Refusal> {
        if self.rows.is_empty() {
            match self.table.take(&mut piece, &self.shared.options)? {
                Some(rows) => {
                    self.rows = rows.into();
                    self.arriving.set_rows(Arc::clone(&self.rows));
                }
                None => return Ok(()),
            }
        }
        while let (false, Some(&row)) = (piece.is_empty(), self.rows.get(self.next)) {
            let length = row.encoded as usize;
            if self.chunk.capacity() == 0 {
                self.chunk.reserve_exact(length);
            }
            let (taken, rest) = piece.split_at(piece.len().min(length - self.chunk.len()));
            self.chunk.extend_from_slice(taken);
            piece = rest;
            if self.chunk.len() == length {
                self.end_chunk(row);
            }
            if self.batch_bytes >= BATCH {
                self.start_batch();
            }
            while self.batches.len() > BATCHES {
                self.end_batch().await?;
            }
        }
        // Refuses the pack as soon as a batch has failed.
        while let Some(batch) = self.batches.front_mut().and_then(|batch| batch.now_or_never()) {
            self.batches.pop_front();
            self.add(batch.map_err(StoreError::from)??).await?;
        }
        Ok(())
    }

    fn end_chunk(&mut self, row: Row) {
        let bytes = Bytes::from(std::mem::take(&mut self.chunk));
        let kind = if row.encoded == row.length {
            Kind::Unverified
        } else {
            let limits = DecompressionLimits::default();
            Kind::Frame(limits.with_max_output(row.length.into()).with_max_window_log(WINDOW_LOG))
        };
        self.batch_bytes += bytes.len();
        self.batch.push(Incoming { id: ChunkId::new(self.arriving.algorithm(), row.digest), bytes, kind });
        self.next += 1;
    }

    /// Checks and encodes the chunks of a batch in its turn, unless they are no longer wanted.
    fn start_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let level = self.inner.options.zstd_level();
        let (shared, inner) = (Arc::clone(&self.shared), Arc::clone(&self.inner));
        let (memory, wanted) = (Arc::clone(&self.memory), Arc::downgrade(&self.wanted));
        let work = async move {
            let _memory = memory;
            let _turn = shared.work.acquire().await;
            if Weak::strong_count(&wanted) == 0 {
                return Ok(Vec::new());
            }
            let encoded = start_work(&inner.host, move || encode(batch, level)).await;
            encoded.map_err(|lost| IntakeError::Store(lost.into()))?.map_err(IntakeError::Chunk)
        };
        self.batches.push_back(start_task(&self.inner.host, work));
    }

    async fn end_batch(&mut self) -> Result<(), Refusal> {
        if let Some(batch) = self.batches.pop_front() {
            self.add(batch.await.map_err(StoreError::from)??).await?;
        }
        Ok(())
    }

    /// Adds the next encoded chunks to the draft.
    async fn add(&mut self, chunks: Vec<Encoded>) -> Result<(), Refusal> {
        for chunk in chunks {
            if self.rows.get(self.drafted).is_none_or(|row| row.length != chunk.length) {
                let length = chunk.length as usize;
                return Err(Refusal::of_chunk(&ChunkError::Length { id: chunk.id, length }));
            }
            self.draft.push(chunk).await;
            self.drafted += 1;
        }
        Ok(())
    }

    /// Stores the complete pack, and returns once it is durable.
    pub(super) async fn finish(mut self) -> Result<Answer, Refusal> {
        if !self.batch.is_empty() {
            self.start_batch();
        }
        while !self.batches.is_empty() {
            self.end_batch().await?;
        }
        let length: u64 = self.rows.iter().map(|row| u64::from(row.length)).sum();
        let json = Json::default().with("chunks", self.rows.len()).with("length", length);
        // A task of its own: the client may disconnect halfway.
        start_task(&self.inner.host, self.draft.store()).await.map_err(StoreError::from)??;
        Ok(Answer::json(200, json.finish()))
    }
}
