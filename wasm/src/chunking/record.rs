//! Chunks as flat records, so that many cross in one call: 32 bytes of digest, then offset and
//! length in bytes as little-endian 64-bit floats, which hold integers up to 2^53-1 exactly.

use crate::bytes;
use crate::failure::Failure;
use crate::number;
use chunker::chunking::ChunkDescriptor;
use chunker::manifest::ManifestError;
use js_sys::Uint8Array;

const LENGTH: usize = 32 + 8 + 8;

/// Returns the records of `chunks`, which must all end at 2^53-1 or below.
pub(crate) fn pack(chunks: &[ChunkDescriptor]) -> Uint8Array {
    let mut records = Vec::with_capacity(LENGTH * chunks.len());
    for chunk in chunks {
        records.extend_from_slice(&chunk.hash);
        records.extend_from_slice(&number::exact(chunk.offset).to_le_bytes());
        records.extend_from_slice(&number::exact(chunk.length as u64).to_le_bytes());
    }
    Uint8Array::from(records.as_slice())
}

/// Returns the chunks of `records`.
pub(crate) fn unpack(records: &Uint8Array) -> Result<Vec<ChunkDescriptor>, Failure> {
    let records = bytes::copied(records)?;
    let (records, []) = records.as_chunks::<LENGTH>() else {
        return Err(Failure::argument("the records are truncated"));
    };
    let chunks = records
        .iter()
        .enumerate()
        .map(|(index, record)| chunk(record).ok_or_else(|| ManifestError::ChunkSequence { index }.into()));
    chunks.collect()
}

/// Returns the chunk of a record, unless a number in it is not an offset or length.
fn chunk(record: &[u8; LENGTH]) -> Option<ChunkDescriptor> {
    let (hash, numbers) = record.split_first_chunk::<32>()?;
    let (offset, length) = numbers.split_first_chunk::<8>()?;
    let offset = number::from_f64(f64::from_le_bytes(*offset))?;
    let length = number::from_f64(f64::from_le_bytes(length.try_into().ok()?))?;
    Some(ChunkDescriptor { hash: *hash, offset, length: usize::try_from(length).ok()? })
}
