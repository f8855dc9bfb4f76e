//! References to store paths, taken out of a stream before it is chunked and put back afterwards.
//!
//! Every file that Nix builds names other store paths by their hashes, and a rebuild changes these
//! hashes all over files that are otherwise the same. [`ReferenceNormalizer`] replaces each hash by
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
pub use hash::StoreHash;
pub use normalizer::ReferenceNormalizer;
pub use patches::ReferencePatches;
pub use restorer::ReferenceRestorer;

/// What stands for a hash: 32 zero bytes, as where Nix hashes a path that refers to itself.
pub const PLACEHOLDER: [u8; 32] = [0; 32];

/// The most store paths that one normalizer looks for.
pub const MAX_REFERENCES: usize = 65_536;

/// The most hashes that one normalizer replaces unless told otherwise. The list of them takes 16
/// bytes each in memory.
pub const DEFAULT_MAX_PATCHES: usize = 4_194_304;
