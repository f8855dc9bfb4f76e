//! Files as zstd frames (RFC 8878): the stored ones, wherever they can be sent as they are.

use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::host::start_work;
use crate::pack::encoding::{ChunkError, Encoded, Incoming, Kind, Record, WINDOW_LOG, encode};
use crate::pack::format::Encoding;
use crate::read::{Ahead, fetch_all, of_length, until_failure};
use crate::store::Store;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::sync::Arc;

/// Chunks to frame at the same time.
const AT_ONCE: usize = 4;

impl Store {
    /// Returns a file as zstd frames, which together decompress to its bytes.
    ///
    /// Chunks are verified and then sent as they are stored, uncompressed ones in raw blocks. A decoder needs
    /// a window of at most 8 MiB. The frames of a file, and their total length, can differ from one call to
    /// the next.
    ///
    /// `rewrite` gets every chunk with its offset in the file, and returns a replacement, or `None` to leave
    /// the chunk as it is. Replacements are compressed like new chunks of the store.
    ///
    /// # Errors
    /// As [`read`](Self::read), and those of `rewrite`; the stream ends after the first error.
    pub async fn read_zstd<R, E>(
        &self,
        root: &Root,
        rewrite: R,
    ) -> Result<BoxStream<'static, Result<Bytes, E>>, StoreError>
    where
        R: Fn(u64, &Bytes) -> Result<Option<Bytes>, E> + Send + Sync + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let manifest = self.manifest(root).await?;
        let algorithm = manifest.hash_algorithm();
        let chunks = manifest.chunks();
        if chunks.is_empty() {
            return Ok(stream::iter([Ok(raw_frame(&[]))]).boxed());
        }
        let ids = chunks.iter().map(|chunk| ChunkId::new(algorithm, chunk.hash)).collect();
        let places: Vec<_> = chunks.iter().map(|chunk| (chunk.offset, chunk.length)).collect();
        let (inner, rewrite) = (Arc::clone(&self.inner), Arc::new(rewrite));
        let fetched =
            fetch_all(Arc::clone(&inner), ids, Ahead::FAR, chunk_and_frames).zip(stream::iter(places));
        let frames = fetched.map(move |(fetched, (offset, length))| {
            let (rewrite, level) = (Arc::clone(&rewrite), inner.options.zstd_level());
            let host = Arc::clone(&inner.host);
            async move {
                let (id, fetched) = fetched?;
                let (chunk, frames) = of_length(id, fetched, length)?.content;
                let framed = move || match rewrite(offset, &chunk)? {
                    Some(bytes) => Ok(compressed(id, bytes, level)?),
                    None => Ok(frames.unwrap_or_else(|| raw_frame(&chunk))),
                };
                start_work(&host, framed).await.map_err(StoreError::from)?
            }
        });
        Ok(until_failure(frames.buffered(AT_ONCE)).boxed())
    }
}

/// Returns a chunk, and the frames that it is stored as, unless they may need too large a window.
fn chunk_and_frames(record: &Record) -> Result<(Bytes, Option<Bytes>), ChunkError> {
    let place = record.entry().place;
    let is_sent = place.encoding == Encoding::Zstd && place.length <= 1 << WINDOW_LOG;
    Ok((record.chunk()?, is_sent.then(|| record.stored())))
}

/// Returns one frame of these bytes, compressed if the store would compress them.
fn compressed(id: ChunkId, bytes: Bytes, level: Option<i32>) -> Result<Bytes, StoreError> {
    let level = level.filter(|_| bytes.len() <= 1 << WINDOW_LOG);
    let encoded = encode(vec![Incoming { id, bytes: bytes.clone(), kind: Kind::Hashed }], level)?;
    let frame = encoded.into_iter().find(|encoded| encoded.encoding == Encoding::Zstd);
    Ok(frame.map_or_else(|| raw_frame(&bytes), |Encoded { stored, .. }| stored))
}

/// Length of the longest block in bytes (RFC 8878, §3.1.1.2.4).
const BLOCK: usize = 128 << 10;
/// Magic number; a header with a content size of 4 bytes and without a checksum; a window of one block.
const FRAME: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0b1000_0000, 7 << 3];

/// Returns a frame of raw blocks (RFC 8878, §3.1.1). A chunk has at most 1 GiB, so its length has 4 bytes.
#[expect(clippy::cast_possible_truncation, reason = "at most MAX_CHUNK bytes, and at most BLOCK of them")]
fn raw_frame(bytes: &[u8]) -> Bytes {
    let blocks = bytes.len().div_ceil(BLOCK).max(1);
    let mut frame = BytesMut::with_capacity(FRAME.len() + 4 + 3 * blocks + bytes.len());
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    for index in 0..blocks {
        let block = &bytes[index * BLOCK..bytes.len().min((index + 1) * BLOCK)];
        let last = u32::from(index + 1 == blocks);
        frame.extend_from_slice(&((block.len() as u32) << 3 | last).to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame.freeze()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

    use super::*;
    use chunker::compression::{Codec, DecompressionLimits, decompress};

    #[test]
    fn a_raw_frame_decompresses_to_its_bytes_in_a_small_window() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 300 << 10] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let frame = raw_frame(&bytes);
            assert_eq!(frame.len(), 10 + length + 3 * length.div_ceil(BLOCK).max(1));
            let limits =
                DecompressionLimits::default().with_max_output(length as u64).with_max_window_log(17);
            assert_eq!(decompress(Codec::Zstd, &frame, limits).unwrap(), bytes, "{length}");
        }
    }
}
