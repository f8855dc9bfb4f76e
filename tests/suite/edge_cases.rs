//! The edges of inputs and options: the cases of the design document, and the places around every
//! size where an off-by-one would show.

use crate::harness::test;
use chunker::Profile;
use chunker::chunking::{
    ChunkDescriptor, ChunkStream, ChunkingError, ChunkingOptions, HashAlgorithm, OptionsError, chunk_data,
    chunk_descriptors,
};
use chunker::compression::{compress_bzip2, compress_lz4, compress_xz, compress_zstd, decompress_zstd};
use std::io::Cursor;

#[test]
fn test_empty_input_chunk_data() {
    let result = chunk_data(&[], None, None, None);
    assert!(result.is_ok());
    assert!(result.unwrap().is_empty());
}

#[test]
fn test_empty_input_chunk_stream() {
    let cursor = Cursor::new(Vec::<u8>::new());
    let stream = ChunkStream::new(cursor, None, None, None).unwrap();
    let chunks: Vec<_> = stream.collect();
    assert!(chunks.is_empty());
}

#[test]
fn test_empty_input_compression() {
    // All compression algorithms should handle empty input
    assert!(compress_zstd(&[], None).is_ok());
    assert!(compress_lz4(&[]).is_ok());
    assert!(compress_xz(&[], None).is_ok());
    assert!(compress_bzip2(&[], None).is_ok());
}

#[test]
fn test_chunk_exactly_max_size() {
    // Chunk exactly at max_size boundary
    let max_size = 64 * 1024; // 64KB
    let data = vec![42u8; max_size];

    let result = chunk_data(&data, Some(1024), Some(32 * 1024), Some(max_size));
    assert!(result.is_ok());
    let chunks = result.unwrap();

    // Verify total coverage
    let total_len: usize = chunks.iter().map(|c| c.length).sum();
    assert_eq!(total_len, max_size);
}

#[test]
fn test_chunk_just_under_max_size() {
    let max_size = 64 * 1024;
    let data = vec![42u8; max_size - 1];

    let result = chunk_data(&data, Some(1024), Some(32 * 1024), Some(max_size));
    assert!(result.is_ok());
}

#[test]
fn test_chunk_just_over_max_size() {
    let max_size = 64 * 1024;
    let data = vec![42u8; max_size + 1];

    let result = chunk_data(&data, Some(1024), Some(32 * 1024), Some(max_size));
    assert!(result.is_ok());
    let chunks = result.unwrap();

    // Should produce at least 2 chunks
    assert!(chunks.len() > 1);
}

#[test]
fn test_min_size_equals_data_len() {
    let size = 1024;
    let data = vec![42u8; size];

    let result = chunk_data(&data, Some(size), Some(size), Some(size));
    assert!(result.is_ok());
    let chunks = result.unwrap();
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].length, size);
}

#[test]
fn test_invalid_options_min_greater_than_max() {
    let data = vec![42u8; 1024];
    let result = chunk_data(&data, Some(1000), Some(500), Some(100));
    assert!(matches!(result, Err(ChunkingError::InvalidOptions(_))));
}

#[test]
fn test_invalid_options_min_too_small() {
    let data = vec![42u8; 1024];
    let result = chunk_data(&data, Some(32), Some(64), Some(128));
    assert!(matches!(result, Err(ChunkingError::InvalidOptions(_))));
}

#[test]
fn test_single_byte_input() {
    let result = chunk_data(&[42u8], None, None, None);
    assert!(result.is_ok());
    let chunks = result.unwrap();
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].length, 1);
}

#[test]
fn test_decompression_size_limit() {
    // Create a decompression bomb scenario
    // This test verifies the size limit is enforced
    let small_data = vec![0u8; 1024 * 1024]; // 1MB of zeros
    let compressed = compress_zstd(&small_data, Some(19)).unwrap(); // High compression

    // Should decompress successfully (under limit)
    let result = decompress_zstd(&compressed);
    assert!(result.is_ok());
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there is one thread")]
fn test_concurrent_chunk_streams() {
    use std::thread;

    let data = vec![42u8; 1024 * 1024]; // 1MB
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let data_clone = data.clone();
            thread::spawn(move || {
                let cursor = Cursor::new(data_clone);
                let stream = ChunkStream::new(cursor, None, None, None).unwrap();
                stream.collect::<Result<Vec<_>, _>>()
            })
        })
        .collect();

    for handle in handles {
        let result = handle.join().unwrap();
        assert!(result.is_ok());
    }
}

#[test]
fn test_u32_overflow_protection() {
    // Verify that large sizes don't cause overflow
    // Note: This tests the validation, not actual processing of huge data
    let result = chunk_data(&[], Some(u32::MAX as usize), Some(u32::MAX as usize), Some(u32::MAX as usize));
    // Should fail validation, not panic
    assert!(result.is_err());
}

#[test]
fn a_descriptor_finds_its_bytes_and_refuses_other_data() {
    let options = ChunkingOptions::resolve(Some(64), Some(128), Some(256)).unwrap();
    let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
    for chunk in chunk_descriptors(&data, Profile::from(options).hash(HashAlgorithm::Blake3)) {
        let payload = chunk.slice(&data).unwrap();
        assert_eq!(HashAlgorithm::Blake3.digest(payload), chunk.hash);
        let end = usize::try_from(chunk.offset).unwrap() + chunk.length;
        assert!(matches!(chunk.slice(&data[..end - 1]), Err(ChunkingError::Bounds { .. })));
    }
    let chunk = |offset, length| ChunkDescriptor { hash: [0; 32], offset, length };
    assert!(matches!(chunk(0, 0).slice(&data), Err(ChunkingError::ZeroLengthChunk)));
    assert!(matches!(chunk(u64::MAX, 1).slice(&data), Err(ChunkingError::Bounds { .. })));
    assert!(matches!(chunk(1, usize::MAX).slice(&data), Err(ChunkingError::Bounds { .. })));
}

#[test]
fn every_error_has_its_code() {
    let read = chunker::chunking::ReadError { offset: 0, source: std::io::Error::other("") };
    let codes = [
        ChunkingError::Bounds { data_len: 0, offset: 0, length: 1 }.code(),
        ChunkingError::Io(read).code(),
        ChunkingError::ZeroLengthChunk.code(),
        ChunkingError::InvalidOptions(OptionsError::MinTooSmall { min_size: 0 }).code(),
        ChunkingError::BufferLimitExceeded { required: 1, limit: 0 }.code(),
    ];
    assert_eq!(
        codes,
        [
            "chunk_bounds_invalid",
            "io_error",
            "zero_length_chunk",
            "invalid_chunking_options",
            "memory_limit_exceeded"
        ]
    );
}
