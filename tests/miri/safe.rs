//! The cases of the design document for Miri: `make miri`.

use chunker::chunking::{ChunkingOptions, chunk_data};
use chunker::hashing::{nix_base32_decode, nix_base32_encode, sha256_hash_raw};

#[test]
fn miri_chunk_data_small() {
    let data = vec![42u8; 1024];
    let result = chunk_data(&data, Some(64), Some(256), Some(512));
    assert!(result.is_ok());
}

#[test]
fn miri_hash_operations() {
    let data = b"miri test data";
    let hash = sha256_hash_raw(data);
    assert_eq!(hash.len(), 32);
}

#[test]
fn miri_base32_roundtrip() {
    let data = b"roundtrip";
    let encoded = nix_base32_encode(data);
    let decoded = nix_base32_decode(&encoded).unwrap();
    assert_eq!(data, decoded.as_slice());
}

#[test]
fn miri_chunking_options_validation() {
    // Valid options
    let result = ChunkingOptions::resolve(Some(64), Some(128), Some(256));
    assert!(result.is_ok());

    // Invalid options
    let result = ChunkingOptions::resolve(Some(256), Some(128), Some(64));
    assert!(result.is_err());
}
