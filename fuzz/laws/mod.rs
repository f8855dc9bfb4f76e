//! What must hold of any bytes: for the fuzz targets, and for `cargo test` on their seeds.
//!
//! A law reads its parameters from the first bytes of its input, little-endian; an input that has
//! too few of them says nothing.

pub(crate) mod cuts;
pub(crate) mod decode;
pub(crate) mod manifest;
pub(crate) mod nix;
pub(crate) mod references;
pub(crate) mod round_trip;

use chunker::compression::Codec;

fn codec(byte: u8) -> Codec {
    Codec::ALL[usize::from(byte) % Codec::ALL.len()]
}
