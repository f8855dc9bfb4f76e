//! From bytes to chunks with digests.
//!
//! | you have | you want | use |
//! |---|---|---|
#![cfg_attr(feature = "alloc", doc = "| a slice | digests and positions | [`chunk_descriptors`] |")]
#![cfg_attr(feature = "alloc", doc = "| a slice | borrowed payloads | [`chunk_slices`] |")]
#![cfg_attr(
    feature = "alloc",
    doc = "| [`Bytes`](bytes::Bytes) | payloads that share its memory | [`chunk_bytes`] |"
)]
#![cfg_attr(
    feature = "alloc",
    doc = "| a slice | owned payloads | [`chunk_data`], [`chunk_data_with_hash`] |"
)]
#![cfg_attr(feature = "alloc", doc = "| pieces, as they arrive | digests and positions | [`PushChunker`] |")]
#![cfg_attr(feature = "alloc", doc = "| pieces, as they arrive | owned payloads | [`PayloadChunker`] |")]
#![cfg_attr(feature = "std", doc = "| a reader | owned payloads | [`ChunkStream`], [`chunk_stream`] |")]
#![cfg_attr(feature = "std", doc = "| a reader | digests and positions | [`DescriptorStream`] |")]
#![cfg_attr(
    feature = "std",
    doc = "| many readers | payloads, or digests and positions | [`chunk_batch`], [`chunk_batch_descriptors`] |"
)]
#![cfg_attr(feature = "rayon", doc = "| a slice, and many cores | cut points | [`cut_points_parallel`] |")]
#![cfg_attr(
    feature = "rayon",
    doc = "| a slice, and many cores | digests and positions | [`chunk_descriptors_parallel`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| `Bytes`, and many cores | payloads that share its memory | [`chunk_bytes_parallel`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| a reader, and many cores | owned payloads, or the results of a closure | [`ChunkPipeline`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| a reader, and many cores | digests and positions | [`DescriptorPipeline`] |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| many readers, and many cores | payloads, or digests and positions | [`chunk_batch_parallel`], [`chunk_batch_descriptors_parallel`] |"
)]
#![cfg_attr(feature = "async", doc = "| an async reader | owned payloads | [`AsyncChunkStream`] |")]

#[cfg(feature = "alloc")]
pub(crate) mod error;
#[cfg(feature = "alloc")]
pub(crate) mod chunk;
#[cfg(feature = "alloc")]
pub(crate) mod slices;
#[cfg(feature = "alloc")]
pub(crate) mod push;
#[cfg(feature = "std")]
pub(crate) mod stream;
#[cfg(feature = "async")]
mod async_stream;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;
#[cfg(feature = "std")]
pub(crate) mod batch;

pub use crate::algorithm::HashAlgorithm;
#[cfg(feature = "std")]
pub use crate::environment::EnvironmentError;
pub use crate::options::{ChunkingOptions, OptionsError};
#[cfg(feature = "rayon")]
pub use crate::parallel::{
    ChunkPipeline, DescriptorPipeline, chunk_batch_descriptors_parallel, chunk_batch_parallel,
    chunk_bytes_parallel, chunk_descriptors_parallel, cut_points_parallel,
};
#[cfg(feature = "async")]
pub use async_stream::AsyncChunkStream;
#[cfg(feature = "std")]
pub use batch::{BatchChunkResult, chunk_batch, chunk_batch_descriptors};
#[cfg(feature = "alloc")]
pub use chunk::{ChunkDescriptor, ChunkMetadata, ChunkSlice};
#[cfg(feature = "alloc")]
pub use error::ChunkingError;
#[cfg(feature = "std")]
pub use error::ReadError;
#[cfg(feature = "alloc")]
pub use push::{PayloadChunker, PushChunker};
#[cfg(feature = "alloc")]
pub use slices::{
    ChunkSlices, chunk_bytes, chunk_data, chunk_data_with_hash, chunk_descriptors, chunk_slices,
};
#[cfg(feature = "std")]
pub use stream::{ChunkStream, DescriptorStream, chunk_stream};
#[cfg(feature = "tokio")]
pub use tokio::Tokio;
