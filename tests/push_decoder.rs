//! `PushDecoder` gives what `decompress` gives, however the data are split.

use chunker::compression::{
    Codec, CompressionError, DecompressionLimits, Encoder, PushDecoder, compress, decompress, dictionary,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::io::Write as _;

fn noise(length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    ChaCha8Rng::seed_from_u64(length as u64).fill_bytes(&mut data);
    data
}

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
        decoder.push(piece);
        drain(&mut decoder, buffer, &mut output)?;
    }
    decoder.finish();
    drain(&mut decoder, buffer, &mut output)?;
    Ok(output)
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
            assert!(found == expected, "{codec}, {} bytes in pieces of {piece}", data.len());
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
            let limits = DecompressionLimits::with_output(3 * data.len() as u64);
            agree(codec, &frames, limits, &[1, 37, 255, 4096, 65_537, frames.len()]);
            if !data.is_empty() {
                let less = DecompressionLimits::with_output(3 * data.len() as u64 - 1);
                agree(codec, &frames, less, &[255, frames.len()]);
            }
        }
    }
}

#[test]
fn frames_of_a_tool_with_large_linked_blocks_and_checksums_are_read() {
    use std::process::{Command, Stdio};
    let data = text(10_000_000);
    for arguments in [
        &["-q", "-B7", "-BD", "-BX", "--content-size"][..],
        &["-q", "-B4", "--no-frame-crc"],
        &["-q", "-9", "-B6"],
    ] {
        let mut tool = Command::new("lz4")
            .args(arguments)
            .arg("-c")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("lz4 is installed");
        let mut stdin = tool.stdin.take().expect("it is piped");
        let input = data.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&input).expect("lz4 reads its input"));
        let frame = tool.wait_with_output().expect("lz4 ends").stdout;
        writer.join().expect("all is written");
        let frames = [&frame[..], &frame].concat();
        agree(Codec::Lz4, &frames, DecompressionLimits::default(), &[4099, 1_000_003]);
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
            let limits = DecompressionLimits::with_output(1 << 20);
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
        let bomb = compress(codec, &vec![0; 50_000_000], None).expect("it compresses");
        let mut decoder =
            PushDecoder::new(codec, DecompressionLimits::with_output(1_000_000)).expect("limits");
        decoder.push(&bomb);
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
