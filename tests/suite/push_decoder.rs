//! `PushDecoder` and `Decoder` give what `decompress` gives, however the data are split.

use crate::harness::test;
use crate::noise::noise;
use chunker::compression::{
    Codec, CompressionError, CompressionScratch, Decoder, DecompressionLimits, Encoder, PushDecoder,
    compress, compress_lz4, decompress, dictionary,
};
use std::error::Error as _;
use std::io::{self, Read, Write as _};
use std::process::{Command, Stdio};

/// Bytes that shrink, but not to nothing.
fn text(length: usize) -> Vec<u8> {
    noise(length).iter().map(|byte| b"etaoin shrdlu\n  "[usize::from(byte % 16)]).collect()
}

fn drain(decoder: &mut PushDecoder, buffer: usize, output: &mut Vec<u8>) -> Result<(), CompressionError> {
    let mut buffer = vec![0; buffer];
    while let length @ 1.. = decoder.read(&mut buffer)? {
        output.extend_from_slice(&buffer[..length]);
    }
    Ok(())
}

fn pushed(
    mut decoder: PushDecoder,
    data: &[u8],
    piece: usize,
    buffer: usize,
) -> Result<Vec<u8>, CompressionError> {
    let mut output = Vec::new();
    for piece in data.chunks(piece) {
        decoder.push(piece)?;
        drain(&mut decoder, buffer, &mut output)?;
    }
    decoder.finish();
    drain(&mut decoder, buffer, &mut output)?;
    Ok(output)
}

/// A source that would block before each piece.
struct Stuttering<'a> {
    rest: &'a [u8],
    piece: usize,
    blocks: bool,
}

impl Read for Stuttering<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.blocks = !self.blocks;
        if self.blocks {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.piece);
        self.rest.read(&mut buffer[..length])
    }
}

/// What a `Decoder` reads from pieces, tried again whenever it would block.
fn read(
    codec: Codec,
    data: &[u8],
    limits: DecompressionLimits,
    piece: usize,
    buffer: usize,
) -> Result<Vec<u8>, CompressionError> {
    let source = io::BufReader::with_capacity(piece, Stuttering { rest: data, piece, blocks: false });
    let mut decoder = Decoder::new(codec, source, limits)?;
    let (mut output, mut buffer) = (Vec::new(), vec![0; buffer]);
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(output),
            Ok(length) => output.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.downcast().expect("a typed error")),
        }
    }
}

/// Runs `lz4` as a filter; `None` when it fails.
fn lz4(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut tool = Command::new("lz4")
        .args(["-q", "-c"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("lz4 is installed");
    let mut stdin = tool.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input)); // fails when lz4 refuses what it has read
        let output = tool.wait_with_output().expect("lz4 ends");
        output.status.success().then_some(output.stdout)
    })
}

fn outcome(result: Result<Vec<u8>, CompressionError>) -> Result<Vec<u8>, &'static str> {
    result.map_err(|error| error.code())
}

fn agree(codec: Codec, data: &[u8], limits: DecompressionLimits, pieces: &[usize]) {
    let expected = outcome(decompress(codec, data, limits));
    for &piece in pieces {
        for buffer in [37, 1 << 16].into_iter().filter(|buffer| data.len() < 100_000 || *buffer > 37) {
            let decoder = PushDecoder::new(codec, limits).expect("valid limits");
            let found = outcome(pushed(decoder, data, piece, buffer));
            assert!(found == expected, "{codec}, {} bytes pushed in pieces of {piece}", data.len());
            let found = outcome(read(codec, data, limits, piece, buffer));
            assert!(found == expected, "{codec}, {} bytes read in pieces of {piece}", data.len());
        }
    }
}

#[test]
fn any_split_of_the_data_gives_the_same_output() {
    for codec in Codec::ALL.iter().copied() {
        for data in [vec![], vec![7], text(100_000), noise(70_000), vec![0; 1_000_000]] {
            let one = compress(codec, &data, None).expect("it compresses");
            let mut streamed = Encoder::new(codec, None, Vec::new()).expect("a level");
            streamed.write_all(&data).expect("a Vec takes all");
            let frames = [&one[..], &streamed.finish().expect("a Vec takes all"), &one].concat();
            let limits = DecompressionLimits::default().with_max_output(3 * data.len() as u64);
            agree(codec, &frames, limits, &[1, 37, 255, 4096, 65_537, frames.len()]);
            if !data.is_empty() {
                let less = DecompressionLimits::default().with_max_output(3 * data.len() as u64 - 1);
                agree(codec, &frames, less, &[255, frames.len()]);
            }
        }
    }
}

/// Frames of LZ4 without checksums, by hand.
mod lz4_parts {
    pub(super) const EMPTY_COMPRESSED: &[u8] = &[1, 0, 0, 0, 0];
    pub(super) const EMPTY_STORED: &[u8] = &[0, 0, 0, 0x80];
    pub(super) const END: &[u8] = &[0; 4];

    pub(super) fn stored(data: &[u8]) -> Vec<u8> {
        let word = u32::try_from(data.len()).expect("a short block") | 1 << 31;
        [&word.to_le_bytes(), data].concat()
    }
}

#[test]
fn every_way_of_reading_refuses_the_same_windows() {
    let short = text(5000);
    let mut streamed = Encoder::new(Codec::Zstd, Some(20), Vec::new()).expect("a level");
    streamed.write_all(&short).expect("a Vec takes all");
    let streamed = streamed.finish().expect("a Vec takes all");
    let single_segment = compress(Codec::Zstd, &noise(9 << 20), Some(20)).expect("it compresses");
    // RFC 8878, 3.1.1: descriptor without flags but for a content size of 4 bytes, window, content
    // size, and one last, raw block.
    let frame = |window: u8| [&b"\x28\xb5\x2f\xfd\x80"[..], &[window], b"\x04\0\0\0\x21\0\0data"].concat();
    let short_frame = compress(Codec::Zstd, b"first", None).expect("it compresses");
    let mut refused = 0;
    for log in [10, 17, 22, 23, 24, 25, 27] {
        let limits = DecompressionLimits::default().with_max_window_log(log);
        let mut scratch = CompressionScratch::new();
        let mut output = vec![0; 10 << 20];
        let windows = [0, 1, 7, 8, 0x3f, 0x40, 0x67, 0x68, 0x69, 0x6f, 0x70, 0x78, 0x88, 0xa0].map(frame);
        for data in windows.iter().chain([&streamed, &single_segment]) {
            let data = [&short_frame[..], data].concat();
            agree(Codec::Zstd, &data, limits, &[data.len()]);
            let expected = outcome(decompress(Codec::Zstd, &data, limits));
            assert!(outcome(scratch.decompress(Codec::Zstd, &data, limits).map(<[u8]>::to_vec)) == expected);
            // All that there is in one read, into space for all of it.
            let mut decoder = Decoder::new(Codec::Zstd, &data[..], limits).expect("limits");
            let found = decoder.read(&mut output).and_then(|first| Ok(first + decoder.read(&mut output)?));
            assert_eq!(found.is_ok(), expected.is_ok());
            refused += usize::from(expected == Err("window_exceeded"));
        }
    }
    assert!(refused > 30, "{refused} refused");
}

/// A last block of nothing passes in the library's stream, whatever the head says of the content.
#[test]
fn a_frame_with_less_content_than_its_head_says_is_refused_by_every_way_of_reading() {
    // RFC 8878, 3.1.1: a single segment whose content has a size of one byte, then raw blocks.
    let frame = |size: u8, blocks: &[u8]| [&b"\x28\xb5\x2f\xfd\x20"[..], &[size], blocks].concat();
    let (nothing, some) = (&b"\x01\0\0"[..], &b"\x20\0\0data\x01\0\0"[..]);
    let whole = [frame(4, some), frame(0, nothing)].concat();
    for (data, expected) in [
        (frame(0, nothing), Ok(b"".to_vec())),
        (frame(5, nothing), Err("zstd_decompression_failed")),
        (frame(4, some), Ok(b"data".to_vec())),
        (frame(5, some), Err("zstd_decompression_failed")),
        ([&whole[..], &frame(5, some)].concat(), Err("zstd_decompression_failed")),
        ([&frame(5, some), &whole[..]].concat(), Err("zstd_decompression_failed")),
    ] {
        for limit in [12, 1 << 20] {
            let limits = DecompressionLimits::default().with_max_output(limit);
            assert_eq!(outcome(decompress(Codec::Zstd, &data, limits)), expected);
            agree(Codec::Zstd, &data, limits, &[1, 5, 7, 1000]);
        }
    }
}

/// Given a whole frame at once, the library takes blocks that it refuses in pieces, and the other way round.
#[test]
fn blocks_of_invalid_lengths_are_judged_the_same_by_every_way_of_reading() {
    // RFC 8878, 3.1.1.2: 3 bytes of head, of which bit 0 says that the block is the last, bits 1 and 2
    // what it is, and the others its size.
    let block = |kind: u32, size: u32| (1 | kind << 1 | size << 3).to_le_bytes()[..3].to_vec();
    let (raw, repeated, compressed) = (0, 1, 2);
    // Windows of 1 MiB, and content of 0 and 200,000 bytes.
    let (empty, large) =
        (&b"\x28\xb5\x2f\xfd\x80\x50\0\0\0\0"[..], &b"\x28\xb5\x2f\xfd\x80\x50\x40\x0d\x03\0"[..]);
    let single = &b"\x28\xb5\x2f\xfd\x20\0"[..];
    let checked = &b"\x28\xb5\x2f\xfd\x24\0"[..];
    for data in [
        [single, &block(repeated, 0), b"a"].concat(),
        [single, &block(compressed, 0)].concat(),
        [checked, &block(compressed, 0), b"\x99\xe9\xd8\x51"].concat(),
        [empty, &block(repeated, 0), b"a"].concat(),
        [empty, &block(compressed, 0)].concat(),
        [large, &block(repeated, 200_000), b"a"].concat(),
        [large, &block(raw, 200_000), &[7; 200_000]].concat(),
    ] {
        agree(Codec::Zstd, &data, DecompressionLimits::default(), &[1, 5, 7, 1 << 20]);
    }
}

#[test]
fn a_decoder_takes_nothing_after_its_end_or_an_error() {
    for codec in Codec::ALL.iter().copied() {
        let whole = compress(codec, b"data", None).expect("it compresses");
        let mut finished = PushDecoder::new(codec, DecompressionLimits::default()).expect("limits");
        finished.push(&whole).expect("it is open");
        finished.finish();
        for piece in [&whole[..], b""] {
            assert_eq!(finished.push(piece).expect_err("finished").code(), "decompression_ended", "{codec}");
        }
        let mut output = Vec::new();
        drain(&mut finished, 100, &mut output).expect("the data were whole");
        assert_eq!(output, b"data", "{codec}");

        let mut failed = PushDecoder::new(codec, DecompressionLimits::default()).expect("limits");
        failed.push(b"no frame at all, but many bytes").expect("it is open");
        drain(&mut failed, 100, &mut Vec::new()).expect_err("it is no frame");
        assert_eq!(failed.push(&whole).expect_err("failed").code(), "decompression_ended", "{codec}");
        assert_eq!(failed.read(&mut [0; 9]).expect("nothing more"), 0, "{codec}");
    }
}

#[test]
fn damaged_data_fail_as_in_one_call() {
    for codec in Codec::ALL.iter().copied() {
        let whole = compress(codec, &text(3000), None).expect("it compresses");
        for length in 0..whole.len() {
            agree(codec, &whole[..length], DecompressionLimits::default(), &[37]);
        }
        for extension in [&b"x"[..], b"\0", b"PK\x03\x04 and more", &whole[..5], &whole[..whole.len() - 1]] {
            agree(codec, &[&whole[..], extension].concat(), DecompressionLimits::default(), &[1, 255, 4096]);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            let limits = DecompressionLimits::default().with_max_output(1 << 20);
            agree(codec, &damaged, limits, &[64]);
        }
    }
}

#[test]
fn skippable_frames_are_passed_over_wherever_they_are_split() {
    let skippable = b"\x5a\x2a\x4d\x18\x05\0\0\0abcde";
    let empty = b"\x50\x2a\x4d\x18\0\0\0\0";
    for codec in [Codec::Zstd, Codec::Lz4] {
        let frame = compress(codec, b"data", None).expect("it compresses");
        let frames = [&skippable[..], empty, &frame, skippable, &frame, empty, skippable].concat();
        let pieces: Vec<usize> = (1..frames.len()).collect();
        for length in 0..=frames.len() {
            agree(codec, &frames[..length], DecompressionLimits::default(), &pieces);
        }
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit_while_little_is_kept() {
    for codec in Codec::ALL.iter().copied() {
        let bomb = compress(codec, &vec![0; 20_000_000], None).expect("it compresses");
        let mut decoder = PushDecoder::new(codec, DecompressionLimits::default().with_max_output(1_000_000))
            .expect("limits");
        decoder.push(&bomb).expect("it is open");
        let mut output = Vec::new();
        let error = drain(&mut decoder, 65_536, &mut output).expect_err("it is a bomb");
        assert_eq!((error.code(), output.len()), ("size_exceeded", 1_000_000), "{codec}");
        assert_eq!(decoder.read(&mut [0; 9]).expect("nothing more"), 0, "{codec}");
    }
}

#[test]
fn a_dictionary_is_used() {
    let samples: Vec<Vec<u8>> = (0..200).map(|seed| text(seed + 300)).collect();
    let dictionary = dictionary::train(&samples, 4096).expect("enough samples");
    let data = text(400);
    let compressed = dictionary::compress(&dictionary, &data, None).expect("it compresses");
    let decoder =
        || PushDecoder::with_dictionary(&dictionary, DecompressionLimits::default()).expect("a dictionary");
    for piece in [1, 37, 1000] {
        assert_eq!(pushed(decoder(), &compressed, piece, 64).expect("it reads"), data);
    }
    let without = PushDecoder::new(Codec::Zstd, DecompressionLimits::default()).expect("limits");
    assert_eq!(outcome(pushed(without, &compressed, 9, 64)), Err("zstd_decompression_failed"));
}

/// Laws that need other programs.
mod tools {
    use super::*;
    use core::prelude::v1::test;

    #[test]
    fn frames_of_a_tool_with_large_linked_blocks_and_checksums_are_read() {
        let data = text(10_000_000);
        for arguments in
            [&["-B7", "-BD", "-BX", "--content-size"][..], &["-B4", "--no-frame-crc"], &["-9", "-B6"]]
        {
            let frame = lz4(arguments, &data).expect("it compresses");
            let frames = [&frame[..], &frame].concat();
            agree(Codec::Lz4, &frames, DecompressionLimits::default(), &[4099, 1_000_003]);
        }
    }

    #[test]
    fn blocks_of_nothing_do_not_end_a_frame_of_lz4() {
        use lz4_parts::{EMPTY_COMPRESSED, EMPTY_STORED, END, stored};
        let head = &compress_lz4(b"data").expect("it compresses")[..7];
        let (data, more) = (stored(b"data"), stored(&[b'q'; 0x50])); // 0x50 begins skippable frames
        for empty in [EMPTY_COMPRESSED, EMPTY_STORED] {
            let whole = [head, &data, empty, &more, empty, END].concat();
            let expected = lz4(&["-d"], &whole).expect("the tool reads it");
            assert_eq!(expected.len(), 4 + 0x50);
            agree(Codec::Lz4, &whole, DecompressionLimits::default(), &[1, 5, 1000]);
            assert_eq!(outcome(decompress(Codec::Lz4, &whole, DecompressionLimits::default())), Ok(expected));
            for length in 1..whole.len() {
                assert_eq!(lz4(&["-d"], &whole[..length]), None, "the tool refuses {length} bytes");
                let found = outcome(decompress(Codec::Lz4, &whole[..length], DecompressionLimits::default()));
                assert_eq!(found, Err("truncated_data"), "{length} bytes");
                agree(Codec::Lz4, &whole[..length], DecompressionLimits::default(), &[1, 1000]);
            }
            let skippable = [head, &data, empty, b"\x50\x2a\x4d\x18\x04\0\0\0abcd"].concat();
            agree(Codec::Lz4, &skippable, DecompressionLimits::default(), &[1, 1000]);
            let found = outcome(decompress(Codec::Lz4, &skippable, DecompressionLimits::default()));
            assert_eq!(found, Err("lz4_decompression_failed"));
        }
    }

    #[test]
    fn frames_of_lz4_with_blocks_of_any_sizes_follow_each_other() {
        let data = text(600_000);
        let frames: Vec<Vec<u8>> =
            [&["-B7"][..], &["-B4"], &["-B7", "-BD"], &["-B4", "-BD", "-BX"], &["-B5"]]
                .into_iter()
                .map(|arguments| lz4(arguments, &data).expect("it compresses"))
                .collect();
        for first in &frames {
            for second in &frames {
                let both = [&first[..], second].concat();
                agree(Codec::Lz4, &both, DecompressionLimits::default(), &[100_003]);
                let found = outcome(decompress(Codec::Lz4, &both, DecompressionLimits::default()));
                assert!(found == Ok(data.repeat(2)));
            }
        }
    }

    #[test]
    fn legacy_frames_of_lz4_are_refused_by_their_name() {
        let legacy = lz4(&["-l"], &text(1000)).expect("it compresses");
        let whole = compress_lz4(b"data").expect("it compresses");
        for data in [legacy.clone(), [whole, legacy].concat()] {
            agree(Codec::Lz4, &data, DecompressionLimits::default(), &[1, 5000]);
            let error = decompress(Codec::Lz4, &data, DecompressionLimits::default()).expect_err("refused");
            assert_eq!(error.code(), "lz4_decompression_failed");
            let reason = error.source().expect("a reason").to_string();
            assert!(reason.contains("legacy"), "{reason}");
        }
    }
}
