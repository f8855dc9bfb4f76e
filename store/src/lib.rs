#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod host;
mod name;
mod chunk;
mod rules;
mod objects;
mod location;
mod format;
mod options;
mod error;
pub mod pack;
mod index;
mod observability;
mod store;
mod spool;
mod refresh;
mod read;
mod frames;
mod commit;
mod progress;
mod files;
mod live;
mod collect;
mod check;
pub mod blocking;
pub mod protocol;
#[cfg(feature = "tower")]
pub mod service;
#[cfg(test)]
mod simulation;

pub use check::{CheckOptions, CheckReport, DamagedObject, DamagedPack, HurtFile};
pub use chunk::{ChunkId, InvalidRoot, Root};
pub use collect::{CollectOptions, CollectReport};
pub use error::{CommitError, StoreError};
pub use files::{FileEntry, Usage};
pub use format::{FormatError, VERSION};
pub use name::{NotATimeName, TimeName};
pub use objects::{ObjectError, Operation};
pub use options::{CacheFolder, StoreOptions};
pub use pack::encoding::ChunkError;
#[doc(inline)]
pub use pack::{PackWriter, Sealed};
pub use progress::{Progress, Step};
pub use read::Results;
pub use store::Store;
