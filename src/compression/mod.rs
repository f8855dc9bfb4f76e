//! Compression with zstd, LZ4, xz and bzip2, in their standard formats.
//!
//! The tools of the same names read what this module writes, and this module reads what they write.
//! Decompression is bounded in output and in memory, and accepts nothing but whole frames: truncated data and
//! bytes after the last frame are errors.
//!
//! | to | use |
//! |---|---|
//! | compress or decompress in one call | [`compress_zstd`], [`decompress_zstd`], … or [`compress`], [`decompress`] with a [`Codec`] |
//! | compress or decompress into a buffer | [`compress_into`], [`decompress_into`] |
//! | do that many times, without allocating | [`CompressionScratch`] |
//! | compress or decompress streams | [`Encoder`], [`Decoder`], and [`PushDecoder`] for data that arrives in pieces |
//! | decompress data of an unknown codec | [`decompress_auto`] |
//! | compress data that may already be compressed | [`compress_adaptive`] |
#![cfg_attr(feature = "zstd", doc = "| many small, similar inputs | [`dictionary`] |")]

mod codec;
mod error;
mod limits;
mod formats;
mod one_shot;
mod named;
mod encoder;
mod decoder;
mod push_decoder;
mod scratch;
mod adaptive;
#[cfg(feature = "zstd")]
pub mod dictionary;

pub use adaptive::{Adapted, compress_adaptive, is_worth_compressing};
pub use codec::Codec;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::CompressionError;
pub use limits::DecompressionLimits;
pub use named::*;
pub use one_shot::{
    compress, compress_batch, compress_into, decompress, decompress_auto, decompress_into, decompress_up_to,
};
pub use push_decoder::PushDecoder;
pub use scratch::CompressionScratch;
