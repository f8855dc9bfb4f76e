//! Contexts and buffers for repeated use.

use super::codec::Codec;
use super::error::CompressionError;
use super::formats::Kept;
use super::limits::DecompressionLimits;
use crate::observability::hooks;
use alloc::vec::Vec;

/// Compresses and decompresses many inputs, one after another, and reuses its memory.
///
/// Once it has seen its largest input, compressing with zstd and LZ4 and decompressing with zstd
/// allocate nothing. The other operations reuse the output buffer, but their libraries make a context
/// for each stream.
#[derive(Default)]
pub struct CompressionScratch {
    output: Vec<u8>,
    kept: Kept,
}

impl CompressionScratch {
    /// Returns a scratch that holds no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses `data`; `None` stands for the codec's default level.
    ///
    /// # Errors
    /// As [`compress`](super::compress).
    pub fn compress(
        &mut self,
        codec: Codec,
        data: &[u8],
        level: Option<i32>,
    ) -> Result<&[u8], CompressionError> {
        let Self { output, kept } = self;
        let compress = || {
            output.clear();
            kept.compress(codec, data, codec.level(level)?, output)?;
            Ok(output.len())
        };
        hooks::compressing(codec.name(), data.len(), compress, |&length| length)
            .inspect_err(|error: &CompressionError| hooks::failed(error.code()))?;
        Ok(&self.output)
    }

    /// Decompresses `data`, within `limits`.
    ///
    /// # Errors
    /// As [`decompress`](super::decompress).
    pub fn decompress(
        &mut self,
        codec: Codec,
        data: &[u8],
        limits: DecompressionLimits,
    ) -> Result<&[u8], CompressionError> {
        self.output.clear();
        if let Err(error) = self.kept.decompress(codec, data, limits, &mut self.output) {
            hooks::failed(error.code());
            self.output = Vec::new(); // what a bomb has filled is not kept
            return Err(error);
        }
        hooks::decompressed(codec.name(), data.len(), self.output.len());
        Ok(&self.output)
    }
}

impl core::fmt::Debug for CompressionScratch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CompressionScratch").field("output", &self.output.capacity()).finish_non_exhaustive()
    }
}
