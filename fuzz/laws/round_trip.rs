//! What a codec has compressed, at once or in pieces, becomes the same data again.

use super::codec;
use chunker::compression::{
    Adapted, Codec, CompressionScratch, DecompressionLimits, Encoder, compress, compress_adaptive, decompress,
};
use std::io::Write as _;

/// Codec, level, length of pieces, and how often the rest is repeated.
const HEAD: usize = 5;
/// Bytes of data at most, so that no case is slow.
const LIMIT: usize = 16 << 10;

pub(crate) fn check(input: &[u8]) {
    let Some((head, data)) = input.split_first_chunk::<HEAD>() else { return };
    let [byte, level, piece @ .., times] = *head;
    let codec = codec(byte);
    let level = level_of(codec, level);
    let piece = usize::from(u16::from_le_bytes(piece)) + 1;
    let data: Vec<u8> =
        data.iter().copied().cycle().take((data.len() * (usize::from(times) + 1)).min(LIMIT)).collect();

    let limits = DecompressionLimits::default().with_max_output(data.len() as u64);
    let check = |compressed: &[u8], way: &str| {
        let content = decompress(codec, compressed, limits).expect("its own data");
        assert!(content == data, "{codec} at level {level}, {way}");
        assert_eq!(Codec::detect(compressed), Some(codec));
    };
    let whole = compress(codec, &data, Some(level)).expect("it compresses");
    check(&whole, "at once");
    let mut scratch = CompressionScratch::new();
    check(scratch.compress(codec, &data, Some(level)).expect("it compresses"), "with a scratch");

    let mut encoder = Encoder::new(codec, Some(level), Vec::new()).expect("a level");
    for piece in data.chunks(piece) {
        encoder.write_all(piece).expect("a Vec takes all");
    }
    check(&encoder.finish().expect("a Vec takes all"), "in pieces");

    match compress_adaptive(codec, &data, Some(level)).expect("it compresses") {
        Adapted::Stored(bytes) => assert_eq!(bytes, data),
        Adapted::Compressed(bytes) => {
            assert!(bytes.len() < data.len(), "{codec}: compressed where that does not pay");
            check(&bytes, "where it pays");
        }
    }
}

/// Returns an input of which the law reads one of the lower levels.
pub(crate) fn seed(codec: Codec, level: u8, piece: u16, data: &[u8]) -> Vec<u8> {
    let index = Codec::ALL.iter().position(|other| *other == codec).expect("a codec of this build");
    let [p0, p1] = (piece - 1).to_le_bytes();
    [&[u8::try_from(index).expect("few codecs"), level, p0, p1, 0], data].concat()
}

/// Levels of which the memory is small enough for many runs in a second.
fn level_of(codec: Codec, byte: u8) -> i32 {
    let (first, last) = (*codec.levels().start().max(&-7), *codec.levels().end());
    let most = if codec == Codec::Xz { 1 } else { 12 };
    first + i32::from(byte) % (last.min(most) - first + 1)
}
