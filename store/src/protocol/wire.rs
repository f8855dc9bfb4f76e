//! The bytes of a pack on the wire: `CPK1`. Integers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `CPK1` in ASCII |
//! | 4 | `n`, the number of chunks |
//! | `n` × 40 | per chunk: 32 bytes digest, 4 bytes length, 4 bytes encoded length |
//! | … | the encoded chunks, in the same order |
//!
//! Equal lengths: the chunk's bytes. A smaller encoded length: zstd frames. Both 0, in answers alone: the
//! chunk is not stored.

use super::answer::Refusal;
use super::options::EngineOptions;
use chunker::hashing::HashAlgorithm;
use std::collections::HashSet;

/// The first bytes of a pack.
pub const MAGIC: &[u8; 4] = b"CPK1";
/// The first bytes of a download. The length of the manifest, in 4 bytes, the manifest and a pack follow.
pub const DOWNLOAD: &[u8; 4] = b"CDL1";
/// Bytes before the table.
pub const HEAD: usize = 8;
/// Bytes of one chunk in the table.
pub const ROW: usize = 32 + 4 + 4;

/// A row of the table, which describes one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The chunk's digest.
    pub digest: [u8; 32],
    /// Length of the chunk in bytes.
    pub length: u32,
    /// Bytes that it takes in the pack.
    pub encoded: u32,
}

impl Row {
    fn parse(bytes: &[u8; ROW]) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[..32]);
        let [.., a, b, c, d, e, f, g, h] = *bytes;
        let (length, encoded) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        Self { digest, length, encoded }
    }
}

/// Returns the head and the table of a pack with these chunks.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a pack has far fewer than 2^32 chunks")]
pub fn table(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + rows.len() * ROW);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    for Row { digest, length, encoded } in rows {
        bytes.extend_from_slice(digest);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&encoded.to_le_bytes());
    }
    bytes
}

/// Collects the table of a pack that arrives in pieces, and takes no more memory than has arrived.
#[derive(Debug)]
pub(super) struct TableReader {
    algorithm: HashAlgorithm,
    /// Length of the whole pack.
    length: u64,
    bytes: Vec<u8>,
}

impl TableReader {
    pub(super) const fn new(algorithm: HashAlgorithm, length: u64) -> Self {
        Self { algorithm, length, bytes: Vec::new() }
    }

    /// Takes what belongs to the table from the start of `piece`, and returns the rows once all have arrived
    /// and are valid.
    pub(super) fn take(
        &mut self,
        piece: &mut &[u8],
        options: &EngineOptions,
    ) -> Result<Option<Vec<Row>>, Refusal> {
        if !self.fill(piece, HEAD) {
            return Ok(None);
        }
        let count = self.checked_count(options)?;
        if !self.fill(piece, HEAD + count * ROW) {
            return Ok(None);
        }
        let (rows, _) = self.bytes[HEAD..].as_chunks::<ROW>();
        let rows: Vec<Row> = rows.iter().map(Row::parse).collect();
        self.check(&rows, options)?;
        self.bytes = Vec::new();
        Ok(Some(rows))
    }

    /// Returns the length of the head and the table, once the head has arrived.
    pub(super) fn length(&self) -> Option<usize> {
        let [.., a, b, c, d] = *self.bytes.first_chunk::<HEAD>()?;
        Some(HEAD + u32::from_le_bytes([a, b, c, d]) as usize * ROW)
    }

    /// Takes bytes until there are `length`, and returns whether there are.
    fn fill(&mut self, piece: &mut &[u8], length: usize) -> bool {
        let lacking = length.saturating_sub(self.bytes.len()).min(piece.len());
        let (taken, rest) = piece.split_at(lacking);
        self.bytes.extend_from_slice(taken);
        *piece = rest;
        self.bytes.len() >= length
    }

    fn checked_count(&self, options: &EngineOptions) -> Result<usize, Refusal> {
        let Some((head, _)) = self.bytes.split_first_chunk::<HEAD>() else { return Ok(0) };
        let [m0, m1, m2, m3, c0, c1, c2, c3] = *head;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(Refusal::invalid_pack("the pack does not start with CPK1"));
        }
        let count = u32::from_le_bytes([c0, c1, c2, c3]);
        let (most, limit) = (u64::from(count), options.pack_chunks);
        if most > limit {
            return Err(Refusal::above("too_many_chunks", format_args!("the pack has {most} chunks"), limit));
        }
        // Every chunk has a row and at least one byte.
        if count == 0 || most * (ROW as u64 + 1) + HEAD as u64 > self.length {
            let message = format!("the pack has {count} chunks, which its {} bytes cannot hold", self.length);
            return Err(Refusal::invalid_pack(message));
        }
        usize::try_from(count).map_err(|_| Refusal::internal())
    }

    fn check(&self, rows: &[Row], options: &EngineOptions) -> Result<(), Refusal> {
        if let Some(row) = rows.iter().find(|row| row.encoded == 0 || row.encoded > row.length) {
            let Row { encoded, length, .. } = row;
            let message = format!("a chunk has {encoded} encoded bytes (expected 1 to its length, {length})");
            return Err(Refusal::invalid_pack(message));
        }
        let encoded: u64 = rows.iter().map(|row| u64::from(row.encoded)).sum();
        let sum = encoded + (HEAD + rows.len() * ROW) as u64;
        if sum != self.length {
            let message =
                format!("the table and chunks add up to {sum} bytes (Content-Length: {})", self.length);
            return Err(Refusal::invalid_pack(message));
        }
        let longest: u64 = rows.iter().map(|row| row.length.into()).max().unwrap_or_default();
        if longest > options.chunk_bytes_limit() {
            let found = format_args!("a chunk has {longest} bytes");
            return Err(Refusal::above("chunk_too_large", found, options.chunk_bytes_limit()));
        }
        let length: u64 = rows.iter().map(|row| u64::from(row.length)).sum();
        if length > options.pack_length_limit() {
            let found = format_args!("the chunks of the pack have {length} bytes");
            return Err(Refusal::above("pack_too_large", found, options.pack_length_limit()));
        }
        let mut seen = HashSet::with_capacity(rows.len());
        match rows.iter().find(|row| !seen.insert(row.digest)) {
            Some(row) => Err(Refusal::duplicate(self.algorithm, row.digest)),
            None => Ok(()),
        }
    }
}
