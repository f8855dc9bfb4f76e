#![doc = include_str!("../README.md")]
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
