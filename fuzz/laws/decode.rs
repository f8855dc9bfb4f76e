//! Compressed data from anybody: all decoders accept the same, give the same, and never more than
//! the limit.

use super::codec;
use chunker::compression::{
    Codec, CompressionError, CompressionScratch, Decoder, DecompressionLimits, PushDecoder, decompress,
};
use std::io::{BufReader, Read as _};

/// Codec, limit of output, 3 bytes, of zstd's window and of xz's memory, lengths of pieces and of
/// buffers, 2 bytes each.
const HEAD: usize = 10;

pub(crate) fn check(input: &[u8]) {
    let Some((head, data)) = input.split_first_chunk::<HEAD>() else { return };
    let [byte, l0, l1, l2, window, memory, piece @ .., b0, b1] = *head;
    let codec = codec(byte);
    let limits = DecompressionLimits::default()
        .with_max_output(u64::from(u32::from_le_bytes([l0, l1, l2, 0])))
        .with_max_window_log(10 + u32::from(window) % 14) // up to the default, so that memory is small
        .with_max_memory(u64::from(memory) << 18);
    let piece = usize::from(u16::from_le_bytes(piece)) + 1;
    let mut buffer = vec![0; usize::from(u16::from_le_bytes([b0, b1])) + 1];

    let expected = decompress(codec, data, limits);
    let mut scratch = CompressionScratch::new();
    let again = scratch.decompress(codec, data, limits);
    assert_eq!(outcome(&again.map(<[u8]>::to_vec)), outcome(&expected), "{codec}: scratch");
    let (output, result) = pushed(codec, data, limits, piece, &mut buffer);
    same(codec, "pushed", &expected, limits, &output, result.map_err(|error| error.code()));
    let (output, result) = read(codec, data, limits, piece, &mut buffer);
    same(codec, "read", &expected, limits, &output, result.map_err(|error| error.code()));

    if let Ok(content) = expected {
        let length = content.len() as u64;
        assert_eq!(
            decompress(codec, data, limits.with_max_output(length)).expect("exactly the limit"),
            content
        );
        if let Some(less) = length.checked_sub(1) {
            let refused = decompress(codec, data, limits.with_max_output(less));
            assert!(matches!(refused, Err(CompressionError::SizeExceeded { .. })), "{codec}: {refused:?}");
        }
    }
}

/// Returns an input of which the law reads the default limits of window and memory.
pub(crate) fn seed(codec: Codec, output: u32, piece: u16, data: &[u8]) -> Vec<u8> {
    let index = Codec::ALL.iter().position(|other| *other == codec).expect("a codec of this build");
    let [l0, l1, l2, _] = output.to_le_bytes();
    let [p0, p1] = (piece - 1).to_le_bytes();
    [&[u8::try_from(index).expect("few codecs"), l0, l1, l2, 13, 255, p0, p1, 255, 15], data].concat()
}

fn outcome(result: &Result<Vec<u8>, CompressionError>) -> Result<&[u8], &'static str> {
    result.as_deref().map_err(CompressionError::code)
}

/// Of two faults in the data another one may be found first; whether there is one may not differ.
fn same(
    codec: Codec,
    way: &str,
    expected: &Result<Vec<u8>, CompressionError>,
    limits: DecompressionLimits,
    output: &[u8],
    result: Result<(), &'static str>,
) {
    assert!(output.len() as u64 <= limits.max_output, "{codec}: more {way} than the limit");
    match (outcome(expected), result) {
        (Ok(content), Ok(())) => assert!(content == output, "{codec}: other content {way}"),
        (Err(_), Err(_)) => {}
        (expected, found) => {
            let expected = expected.map(<[u8]>::len);
            assert!(expected.is_ok() == found.is_ok(), "{codec}: {expected:?} at once, {found:?} {way}");
        }
    }
}

fn pushed(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    piece: usize,
    buffer: &mut [u8],
) -> (Vec<u8>, Result<(), CompressionError>) {
    let mut output = Vec::new();
    let mut decoder = PushDecoder::new(codec, limits).expect("valid limits");
    for piece in data.chunks(piece).map(Some).chain([None]) {
        match piece {
            Some(piece) => decoder.push(piece).expect("no end and no error before"),
            None => decoder.finish(),
        }
        loop {
            match decoder.read(buffer) {
                Ok(0) => break,
                Ok(length) => output.extend_from_slice(&buffer[..length]),
                Err(error) => return (output, Err(error)),
            }
        }
    }
    (output, Ok(()))
}

fn read(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    piece: usize,
    buffer: &mut [u8],
) -> (Vec<u8>, Result<(), CompressionError>) {
    let mut output = Vec::new();
    let mut decoder =
        Decoder::new(codec, BufReader::with_capacity(piece, data), limits).expect("valid limits");
    loop {
        match decoder.read(buffer) {
            Ok(0) => return (output, Ok(())),
            Ok(length) => output.extend_from_slice(&buffer[..length]),
            Err(error) => return (output, Err(error.downcast().expect("a typed error"))),
        }
    }
}
