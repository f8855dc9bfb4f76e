//! Which chunks are missing, and chunks in a stream.

use super::answer::{Answer, AnswerBody, AnswerStream, OCTETS, Refusal};
use super::budget::Reservation;
use super::collected::Collected;
use super::exchange::{Reader, stored_bytes, unchanged};
use super::range::Conditions;
use super::reading::{Pieces, pieces};
use super::route::Form;
use super::wire::{HEAD, ROW, Row, table};
use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::host::start_work;
use crate::pack::encoding::{ChunkError, Record};
use crate::pack::format::{Encoding, Place};
use crate::read::{Fetched, Open, fetch_all};
use bytes::Bytes;
use chunker::hashing::HashAlgorithm;
use futures::stream::{self, Stream, StreamExt as _};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Answers with the chunks that are missing.
pub(super) async fn missing(
    reader: &Reader<'_>,
    algorithm: HashAlgorithm,
    digests: Collected,
    length: u64,
) -> Result<Answer, Refusal> {
    let taking = reader.shared.budget.take_for_body(4 * length);
    let (digests, _memory) = digests.finish(length, taking).await?;
    let (digests, _) = digests.as_chunks::<32>();
    let missing = reader.store.missing(algorithm, digests).await?;
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    let bitmap: Vec<u8> = missing.chunks(8).map(byte).collect();
    Ok(Answer::bytes(bitmap).with("Chunker-Limits", reader.shared.options.announced()))
}

/// Returns the memory that a request for chunks takes, in bytes: where each is, and its row. Reading them takes more.
const fn memory(length: u64) -> u64 {
    6 * length
}

/// Answers with chunks, in the order of the request.
pub(super) async fn read(
    reader: &Reader<'_>,
    algorithm: HashAlgorithm,
    digests: Collected,
    length: u64,
    form: Form,
) -> Result<Answer, Refusal> {
    let inner = &reader.store.inner;
    let taking = reader.shared.budget.take_listed_for_body(memory(length));
    let (digests, memory) = digests.finish(length, taking).await?;
    let parsed = start_work(&inner.host, move || parse(algorithm, &digests)).await;
    let ids = parsed.map_err(StoreError::from)??;
    let (length, pieces) = pack(reader, ids, form).await?;
    let body = begun(pieces, memory, 2).await?;
    Ok(Answer::streamed(200, length, body).with("Content-Type", OCTETS))
}

/// Returns the length of a pack of these chunks, and its pieces; the table comes first.
pub(super) async fn pack(
    reader: &Reader<'_>,
    ids: Arc<[ChunkId]>,
    form: Form,
) -> Result<(u64, Pieces), Refusal> {
    let inner = &reader.store.inner;
    let places = inner.locate(&ids).await?;
    let rows: Vec<Row> = ids.iter().zip(&places).map(|(id, place)| row(id, *place, form)).collect();
    let bytes: u64 = rows.iter().map(|row| u64::from(row.encoded)).sum();
    let stored = ids.iter().zip(&rows).filter(|(_, row)| row.length > 0).map(|(&id, &row)| (id, row));
    let stored: Vec<(ChunkId, Row)> = stored.collect();
    let open: Open<Sendable> = match form {
        Form::Plain => plain,
        Form::AsStored => as_stored,
        Form::Verified => verified,
    };
    let lengths = stored.iter().map(|(_, row)| row.length.into()).collect();
    let inner = Arc::clone(inner);
    let read = move |chunks: Range<usize>, ahead| {
        let (ids, rows): (Vec<ChunkId>, Vec<Row>) =
            stored.get(chunks).unwrap_or_default().iter().copied().unzip();
        let pieces = fetch_all(Arc::clone(&inner), ids, ahead, open).zip(stream::iter(rows));
        let pieces = pieces.map(|(fetched, row)| {
            let (id, fetched) = fetched?;
            let fetched = fetched.ok_or(StoreError::ChunkNotFound { chunk: id })?;
            piece(id, fetched, row)
        });
        pieces.boxed()
    };
    let pieces = pieces(reader, lengths, read);
    let length = (HEAD + rows.len() * ROW) as u64 + bytes;
    let head = Bytes::from(table(&rows));
    Ok((length, stream::iter([Ok(head)]).chain(pieces).boxed()))
}

/// Returns the chunks in a request, which must name each only once.
fn parse(algorithm: HashAlgorithm, digests: &[u8]) -> Result<Arc<[ChunkId]>, Refusal> {
    let (digests, _) = digests.as_chunks::<32>();
    let mut seen = HashSet::with_capacity(digests.len());
    match digests.iter().find(|digest| !seen.insert(**digest)) {
        Some(twice) => Err(Refusal::duplicate(algorithm, *twice)),
        None => Ok(digests.iter().map(|&digest| ChunkId::new(algorithm, digest)).collect()),
    }
}

/// Largest zstd window that every decoder supports, in bytes (RFC 9659). Frames of longer chunks may need more.
const WINDOW: u32 = 8 << 20;

fn row(id: &ChunkId, place: Option<Place>, form: Form) -> Row {
    let digest = id.digest;
    match place {
        None => Row { digest, length: 0, encoded: 0 },
        Some(place) if form == Form::AsStored && are_frames_sent(place) => {
            Row { digest, length: place.length, encoded: place.stored }
        }
        Some(Place { length, .. }) => Row { digest, length, encoded: length },
    }
}

fn are_frames_sent(Place { encoding, length, stored, .. }: Place) -> bool {
    encoding == Encoding::Zstd && stored < length && length <= WINDOW
}

/// A chunk that was checked for damage.
///
/// Clients verify digests, so the checksum of what is stored is enough here: if it is right, nothing has rotted. If it
/// is wrong, the digest decides.
#[derive(Clone, Debug)]
enum Sendable {
    Chunk(Bytes),
    /// To be sent as the frames that are stored.
    Frames(Record),
}

fn plain(record: &Record) -> Result<Sendable, ChunkError> {
    let chunk = if record.is_intact() { record.content() } else { record.chunk() };
    chunk.map(Sendable::Chunk)
}

fn as_stored(record: &Record) -> Result<Sendable, ChunkError> {
    if !are_frames_sent(record.entry().place) {
        return plain(record);
    }
    if !record.is_intact() {
        record.chunk()?;
    }
    Ok(Sendable::Frames(record.clone()))
}

fn verified(record: &Record) -> Result<Sendable, ChunkError> {
    record.chunk().map(Sendable::Chunk)
}

/// Returns the bytes of a chunk in the form that the table announced.
fn piece(id: ChunkId, fetched: Fetched<Sendable>, row: Row) -> Result<Bytes, StoreError> {
    // The copy that was read may differ from the one announced.
    let bytes = match fetched.content {
        Sendable::Frames(record) if row.encoded == row.length => record.content()?,
        Sendable::Frames(record) => record.stored(),
        Sendable::Chunk(chunk) => chunk,
    };
    if bytes.len() == row.encoded as usize && fetched.place.length == row.length {
        Ok(bytes)
    } else {
        Err(ChunkError::Length { id, length: bytes.len() }.into())
    }
}

/// Answers with one chunk.
pub(super) async fn read_one(
    reader: &Reader<'_>,
    id: ChunkId,
    conditions: &Conditions,
) -> Result<Answer, Refusal> {
    let inner = &reader.store.inner;
    let places = inner.locate(&[id].into()).await?;
    let Some(&Some(place)) = places.first() else { return Err(Refusal::chunk_not_found(id)) };
    let tag = format!("\"{id}\"");
    if conditions.has(&tag) {
        return Ok(unchanged(tag));
    }
    let length = u64::from(place.length);
    if reader.head_only {
        return Ok(stored_bytes(length, AnswerBody::Empty, tag));
    }
    let memory = reader.shared.budget.take_to_send(3 * length).await?;
    let chunk = reader.store.get(id.algorithm, id.digest).await?;
    let chunk = chunk.ok_or_else(|| Refusal::chunk_not_found(id))?;
    let length = chunk.len() as u64;
    let body = AnswerBody::Stream(AnswerStream::new(stream::iter([Ok(chunk)]), memory));
    Ok(stored_bytes(length, body, tag))
}

/// Returns a body once its first `count` pieces have been read, so that an early failure is still answered
/// with a code.
pub(super) async fn begun(
    pieces: impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
    memory: Reservation,
    count: usize,
) -> Result<AnswerBody, Refusal> {
    let mut pieces = pieces;
    let mut first = Vec::with_capacity(count);
    while first.len() < count
        && let Some(piece) = pieces.next().await
    {
        first.push(Ok(piece?));
    }
    Ok(AnswerBody::Stream(AnswerStream::new(stream::iter(first).chain(pieces), memory)))
}
