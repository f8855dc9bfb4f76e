//! Data without structure.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Returns bytes that depend on nothing but their number.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    ChaCha8Rng::seed_from_u64(length as u64).fill_bytes(&mut data);
    data
}
