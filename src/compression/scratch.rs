//! Contexts and buffers that are used again and again.

use super::{Codec, CompressionError, DecompressionLimits};
use crate::observability::hooks;
use alloc::vec::Vec;
#[cfg(feature = "lz4")]
use std::io::Write as _;

/// Compresses and decompresses many inputs, one after another, in memory that it keeps.
///
/// Once it has seen its largest input, compressing by zstd and LZ4 and decompressing by zstd
/// allocate nothing. The other directions keep their output buffer; their libraries make a context
/// for every stream.
#[derive(Default)]
pub struct CompressionScratch {
    output: Vec<u8>,
    #[cfg(feature = "zstd")]
    zstd_compressor: Option<zstd::bulk::Compressor<'static>>,
    #[cfg(feature = "zstd")]
    zstd_decompressor: Option<zstd::zstd_safe::DCtx<'static>>,
    #[cfg(feature = "lz4")]
    lz4_encoder: Option<lz4_flex::frame::FrameEncoder<Vec<u8>>>,
}

impl CompressionScratch {
    /// Returns a scratch that holds no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns `data` compressed; `None` stands for the codec's default level.
    ///
    /// # Errors
    /// As [`compress`](super::compress).
    pub fn compress(
        &mut self,
        codec: Codec,
        data: &[u8],
        level: Option<i32>,
    ) -> Result<&[u8], CompressionError> {
        let (name, length) = (codec.name(), data.len());
        hooks::compressing(
            name,
            length,
            || self.compress_unobserved(codec, data, level),
            |output| output.len(),
        )
        .inspect_err(|error| hooks::failed(error.code()))
    }

    fn compress_unobserved(
        &mut self,
        codec: Codec,
        data: &[u8],
        level: Option<i32>,
    ) -> Result<&[u8], CompressionError> {
        let checked = codec.level(level)?;
        let failed = |source| CompressionError::Failed { codec, source };
        match codec {
            #[cfg(feature = "zstd")]
            Codec::Zstd => self.compress_zstd(data, checked).map_err(failed),
            #[cfg(feature = "lz4")]
            Codec::Lz4 if !data.is_empty() => self.compress_lz4(data).map_err(failed),
            _ => {
                self.output.clear();
                super::append_compressed(codec, data, level, &mut self.output)?;
                Ok(&self.output)
            }
        }
    }

    /// Returns `data` decompressed, within `limits`.
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
        let result = match codec {
            #[cfg(feature = "zstd")]
            Codec::Zstd => {
                let context = self.zstd_decompressor.get_or_insert_with(zstd::zstd_safe::DCtx::create);
                super::zstd_frames::decompress(context, data, limits, &mut self.output)
            }
            _ => super::append_decompressed(codec, data, limits, &mut self.output),
        };
        if let Err(error) = result {
            hooks::failed(error.code());
            self.output = Vec::new(); // what a bomb has filled is not kept
            return Err(error);
        }
        hooks::decompressed(codec.name(), data.len(), self.output.len());
        Ok(&self.output)
    }

    #[cfg(feature = "zstd")]
    fn compress_zstd(&mut self, data: &[u8], level: i32) -> std::io::Result<&[u8]> {
        let compressor = match &mut self.zstd_compressor {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        self.output.clear();
        self.output.reserve(zstd::zstd_safe::compress_bound(data.len()));
        compressor.compress_to_buffer(data, &mut self.output)?;
        Ok(&self.output)
    }

    /// Compresses anything but empty data: an encoder ends a second empty frame without its head.
    #[cfg(feature = "lz4")]
    fn compress_lz4(&mut self, data: &[u8]) -> std::io::Result<&[u8]> {
        use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
        let encoder = self.lz4_encoder.get_or_insert_with(|| {
            FrameEncoder::with_frame_info(FrameInfo::new().block_size(BlockSize::Max256KB), Vec::new())
        });
        encoder.get_mut().clear();
        encoder.write_all(data)?;
        encoder.try_finish()?;
        Ok(encoder.get_ref())
    }
}

impl core::fmt::Debug for CompressionScratch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CompressionScratch").field("output", &self.output.capacity()).finish_non_exhaustive()
    }
}
