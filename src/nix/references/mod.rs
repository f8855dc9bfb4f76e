//! References to store paths, taken out of a stream before it is chunked and put back afterwards.
//!
//! The files that Nix builds mention other store paths with their hashes, and a rebuild changes these
//! hashes all over files that are otherwise the same. [`ReferenceNormalizer`] replaces each hash with
//! a [`PLACEHOLDER`] and lists what it replaced, so that the chunks of two builds agree wherever
//! their content does. [`ReferencePatches`] is that list; it restores the stream, whole, in pieces
//! or from any offset.
//!
//! ```
//! use chunker::nix::references::{ReferenceNormalizer, ReferenceRestorer, StoreHash};
//!
//! let hash = StoreHash::of_path("/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-glibc-2.38")?;
//! let file = *b"RUNPATH=/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-glibc-2.38/lib";
//!
//! let mut stored = Vec::new();
//! let mut normalizer = ReferenceNormalizer::new([hash])?;
//! normalizer.push(&file, &mut stored)?;
//! let patches = normalizer.finish(&mut stored)?;
//! assert_eq!(stored[19..51], [0; 32]);
//!
//! let mut restorer = ReferenceRestorer::new(&patches);
//! restorer.push(&mut stored)?;
//! restorer.finish()?;
//! assert_eq!(stored, file);
//! # Ok::<(), chunker::nix::references::ReferenceError>(())
//! ```

mod encoding;
mod error;
mod hash;
mod normalizer;
mod patches;
mod restorer;
mod scan;

pub use error::ReferenceError;
pub use hash::{PLACEHOLDER, StoreHash};
pub use normalizer::{DEFAULT_MAX_PATCHES, ReferenceNormalizer};
pub use patches::{MAX_REFERENCES, ReferencePatches};
pub use restorer::ReferenceRestorer;
