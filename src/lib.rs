//! Content-defined chunking: cuts a byte stream at points that its content determines, and hashes the chunks.
//!
//! An edit moves only the cut points next to it, so files that share content share chunks. The cut points
//! are those of FastCDC 2020, and a public contract: the same bytes with the same [`Profile`] give the same
//! chunks on every machine, in every release of this major version, and in the npm package `chunker-cdc`
//! and the Hex package `chunker`.
//!
//! ```
//! use chunker::Profile;
//! use chunker::chunking::{ChunkStream, chunk_slices};
//!
//! // Bytes in memory: chunks that borrow from them.
//! for chunk in chunk_slices(b"bytes in memory", Profile::MEDIUM) {
//!     println!("{} {} {}", chunk.hash_hex(), chunk.offset, chunk.payload.len());
//! }
//!
//! // A reader of any length, in bounded memory: chunks that own their bytes.
//! # use std::io::Read as _;
//! # let file = std::io::repeat(7).take(1 << 20);
//! for chunk in ChunkStream::with_profile(file, Profile::SMALL)? {
//!     let chunk = chunk?;
//!     println!("{} {}", chunk.hash_hex(), chunk.payload.len());
//! }
//! # Ok::<(), chunker::chunking::ChunkingError>(())
//! ```
//!
//! # Finding your way
//!
//! | to | see |
//! |---|---|
//! | choose chunk sizes, hash, normalization level and seed | [`Profile`] |
//! | chunk slices, [`Bytes`](bytes::Bytes), readers, async readers; on one core or all | [`chunking`], which has a table of functions |
//! | find only the cut points, without a heap or digests | [`CutFinder`], [`cut_points`] |
//! | compute SHA-256 and BLAKE3 digests, as chunks have | [`hashing`] |
//! | name an input, verify it, send it, reassemble it | [`manifest`] |
//! | compress and decompress with zstd, LZ4, xz, bzip2 | [`compression`] |
//! | sign with Ed25519 | [`signing`] |
//! | read and write the formats of Nix binary caches | [`nix`] |
//! | see which SIMD kernel runs | [`Acceleration`] |
//! | record metrics, events and profiles | [`metrics_utils`], [`tracing_utils`], [`profiling`] |
//!
//! To store files on a disk or in a bucket, and to transfer them, use the crate `chunker-store`, or the
//! command `chunker` (the crate `chunker-cli`).
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | readers, batches, [`Acceleration`], CPU detection by the hash libraries |
//! | `alloc` | chunk lists, push chunkers and manifests; without it, the crate has options, cut points and digests |
//! | `async`, `tokio` | async readers, of `futures` and of tokio |
//! | `rayon` | chunking on all cores, with the same result |
//! | `serde` | `Serialize` and `Deserialize`, and the JSON form of manifests |
//! | `zstd`, `lz4`, `xz`, `bzip2` | codecs |
//! | `signing`, `nix` | Ed25519; Nix base32, hashes, narinfo files, references |
//! | `tracing`, `metrics`, `spans`, `flamegraph` | observability, compiled only with these features |
//!
//! # Guarantees
//!
//! Every byte of an input is in exactly one chunk, however the input arrives: in one slice, in pieces of any
//! size, over many threads. Invalid input returns a typed error with a stable `code()`. Nothing is clamped
//! and nothing panics. `unsafe` code is confined to the SIMD kernels.
//!
//! Cut points leak information about the content, even with a seed. If that matters, use a keyed
//! chunker: this is not one.

#![cfg_attr(
    not(all(
        feature = "rayon",
        feature = "zstd",
        feature = "nix",
        feature = "tracing",
        feature = "metrics"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod algorithm;
mod options;
#[doc(hidden)]
pub mod gear;
mod profile;
mod observability;
#[doc(hidden)]
pub mod scan;
mod cut;
pub mod hashing;
#[cfg(feature = "std")]
mod acceleration;
#[cfg(feature = "std")]
mod environment;
#[cfg(feature = "std")]
mod reader;
pub mod chunking;
#[cfg(feature = "rayon")]
mod parallel;
#[cfg(feature = "signing")]
pub mod signing;
#[cfg(feature = "alloc")]
pub mod manifest;
#[cfg(any(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
pub mod compression;
#[cfg(feature = "nix")]
pub mod nix;

#[cfg(feature = "std")]
pub use acceleration::Acceleration;
pub use cut::{CutFinder, CutPoints, cut_points};
#[cfg(feature = "tracing")]
pub use observability::profiling;
pub use observability::{metrics_utils, tracing_utils};
pub use profile::{Profile, ProfileError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
