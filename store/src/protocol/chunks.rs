//! Which chunks are missing, and chunks in a stream.

use super::answer::{Answer, AnswerBody, AnswerStream, OCTETS, Refusal};
use super::budget::{Budget, Reservation};
use super::exchange::{Reader, stored_bytes, unchanged};
use super::range::Conditions;
use super::route::Form;
use super::wire::{HEAD, ROW, Row, table};
use crate::chunk::ChunkId;
use crate::error::StoreError;
use crate::host::start_work;
use crate::pack::encoding::{ChunkError, Record};
use crate::pack::format::{Encoding, Place};
use crate::read::{Ahead, Fetched, Open, fetch_all};
use bytes::Bytes;
use chunker::hashing::HashAlgorithm;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use std::collections::HashSet;
use std::sync::Arc;

/// Answers with the chunks that are missing.
pub(super) async fn missing(
    reader: &Reader<'_>,
    algorithm: HashAlgorithm,
    digests: &[u8],
) -> Result<Answer, Refusal> {
    let (digests, _) = digests.as_chunks::<32>();
    let missing = reader.store.missing(algorithm, digests).await?;
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    let bitmap: Vec<u8> = missing.chunks(8).map(byte).collect();
    Ok(Answer::bytes(bitmap).with("Chunker-Limits", reader.shared.options.announced()))
}

/// Longest chunk in most files, in bytes: the maximum of the profile `large`.
pub(super) const USUAL: u64 = 4 << 20;
/// Bytes to read ahead when memory is short, and when it is not.
const NEAR: u64 = 256 << 10;
const FAR: u64 = 4 << 20;

/// Returns the memory that a request for chunks takes before their lengths are known, in bytes.
pub(super) const fn memory(length: u64) -> u64 {
    4 * length + near(USUAL)
}

/// Returns the memory for the window being sent and the next one, in bytes. The next one is also held as it is
/// stored.
pub(super) const fn near(longest: u64) -> u64 {
    4 * (NEAR + longest)
}

/// Takes more memory if there is room, and returns how far to read ahead. `known` is the length of all chunks.
pub(super) fn ahead(budget: &Budget, memory: &mut Reservation, longest: u64, known: u64) -> Ahead {
    let more = (5 * (FAR + longest)).saturating_sub(near(longest));
    match budget.spare(more).filter(|_| known > FAR) {
        Some(spare) => {
            memory.merge(spare);
            Ahead { window: FAR, windows: 2 }
        }
        None => Ahead { window: NEAR, windows: 1 },
    }
}

/// Answers with chunks, in the order of the request.
pub(super) async fn read(
    reader: &Reader<'_>,
    algorithm: HashAlgorithm,
    digests: Vec<u8>,
    form: Form,
    memory: Reservation,
) -> Result<Answer, Refusal> {
    let inner = &reader.store.inner;
    let asked = digests.len() as u64;
    let parsed = start_work(&inner.host, move || parse(algorithm, &digests)).await;
    let ids = parsed.map_err(StoreError::from)??;
    let (length, pieces, memory) = pack(reader, ids, form, 4 * asked, memory).await?;
    let body = begun(pieces, memory, 2).await?;
    Ok(Answer::streamed(200, length, body).with("Content-Type", OCTETS))
}

/// The pieces of a pack.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, StoreError>>;

/// Returns the length of a pack of these chunks, its pieces (the table comes first), and the memory that the
/// request holds: `kept` bytes, and what reading ahead needs.
pub(super) async fn pack(
    reader: &Reader<'_>,
    ids: Arc<[ChunkId]>,
    form: Form,
    kept: u64,
    mut memory: Reservation,
) -> Result<(u64, Pieces, Reservation), Refusal> {
    let inner = &reader.store.inner;
    let places = inner.locate(&ids).await?;
    let rows: Vec<Row> = ids.iter().zip(&places).map(|(id, place)| row(id, *place, form)).collect();
    let longest = rows.iter().map(|row| u64::from(row.length)).max().unwrap_or_default();
    let needed = reader.shared.budget.within(kept + near(longest));
    if !memory.shrink(needed) {
        drop(memory); // wait without holding any
        memory = take(reader, needed).await?;
    }
    let bytes: u64 = rows.iter().map(|row| u64::from(row.encoded)).sum();
    let ahead = ahead(&reader.shared.budget, &mut memory, longest, bytes);
    let stored: Vec<Row> = rows.iter().filter(|row| row.length > 0).copied().collect();
    let wanted = ids.iter().zip(&rows).filter(|(_, row)| row.length > 0).map(|(id, _)| *id).collect();
    let open: Open<Sendable> = match form {
        Form::Plain => plain,
        Form::AsStored => as_stored,
        Form::Verified => verified,
    };
    let pieces = fetch_all(Arc::clone(inner), wanted, ahead, open).zip(stream::iter(stored));
    let pieces = pieces.map(|(fetched, row)| {
        let (id, fetched) = fetched?;
        let fetched = fetched.ok_or(StoreError::ChunkNotFound { chunk: id })?;
        piece(id, fetched, row)
    });
    let length = (HEAD + rows.len() * ROW) as u64 + bytes;
    let head = Bytes::from(table(&rows));
    Ok((length, stream::iter([Ok(head)]).chain(pieces).boxed(), memory))
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
    let memory = take(reader, 3 * length).await?;
    let chunk = reader.store.get(id.algorithm, id.digest).await?;
    let chunk = chunk.ok_or_else(|| Refusal::chunk_not_found(id))?;
    let length = chunk.len() as u64;
    let body = AnswerBody::Stream(AnswerStream::new(stream::iter([Ok(chunk)]), memory));
    Ok(stored_bytes(length, body, tag))
}

/// Waits in line for memory.
pub(super) async fn take(reader: &Reader<'_>, bytes: u64) -> Result<Reservation, Refusal> {
    Ok(reader.shared.budget.take(bytes).await?)
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
