//! The formats of Nix binary caches: base32, hashes, key files, narinfo files and their signatures,
//! and references taken out of archives before they are chunked.

pub(crate) mod base32;
mod error;
mod hash;
mod keys;
mod narinfo;
mod narinfo_file;
pub mod references;
mod store_path;

pub use base32::InvalidBase32;
pub use error::InvalidNarInfo;
pub use hash::{InvalidNixHash, NixHashFormat, nix_hash_decode, nix_hash_encode};
pub use keys::{NixPublicKey, NixSecretKey};
pub use narinfo::NarInfo;
pub use narinfo_file::NarInfoFile;
