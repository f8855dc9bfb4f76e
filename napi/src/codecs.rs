//! Codecs, signatures and Nix.

pub mod compression;
pub mod nix;
pub mod references;
pub mod signing;
