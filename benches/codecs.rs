//! Each codec through this library against a direct call of its crate, on a tar archive of real sources.
//!
//! Prints the median of ratios of interleaved rounds; absolute times on shared machines mislead.

use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use chunker::compression::{Codec, Decoder, DecompressionLimits, Encoder, compress, decompress};
use liblzma::read::XzDecoder;
use liblzma::write::XzEncoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use rounds::ROUNDS;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Bytes that a stream is read and written by.
const PIECE: usize = 64 << 10;

fn main() {
    let (name, tar) = tar(32 << 20);
    println!("median of {ROUNDS} ratios of speed, this library / its crate; tar of {name}");
    println!(
        "{:>6} {:>7} {:>9} {:>11} {:>9} {:>9}",
        "codec", "MiB", "compress", "decompress", "Encoder", "Decoder"
    );
    for (codec, length) in
        [(Codec::Zstd, 32 << 20), (Codec::Lz4, 32 << 20), (Codec::Xz, 2 << 20), (Codec::Bzip2, 6 << 20)]
    {
        let data = &tar[..tar.len().min(length)];
        let compressed = compress(codec, data, None).expect("it compresses");
        let limits = DecompressionLimits::default();
        println!(
            "{codec:>6} {:>7.1} {:>9.3} {:>11.3} {:>9.3} {:>9.3}",
            data.len() as f64 / f64::from(1 << 20),
            ratio(
                || direct_compress(codec, data).len(),
                || compress(codec, data, None).expect("it compresses").len()
            ),
            ratio(
                || direct_decompress(codec, &compressed, data.len()).len(),
                || decompress(codec, &compressed, limits).expect("it is whole").len()
            ),
            ratio(
                || direct_encode(codec, data, PIECE).len(),
                || {
                    let mut encoder = Encoder::new(codec, None, Vec::new()).expect("a level");
                    write(data, PIECE, &mut encoder);
                    encoder.finish().expect("a Vec takes all").len()
                }
            ),
            ratio(
                || direct_decode(codec, &compressed),
                || read(Decoder::new(codec, &compressed[..], limits).expect("limits"))
            ),
        );
    }
}

/// Returns at most `length` bytes of a tar archive of the crates that cargo has unpacked.
fn tar(length: usize) -> (String, Vec<u8>) {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).expect("a home folder");
    let sources = home.join("registry/src");
    let mut tar = Command::new("tar")
        .args(["-c", "--sort=name", "-C"])
        .arg(&sources)
        .arg(".")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tar is installed");
    let mut data = Vec::new();
    let output = tar.stdout.take().expect("it is piped");
    output.take(length as u64).read_to_end(&mut data).expect("tar writes");
    tar.wait().expect("tar ends"); // by a closed pipe, most often
    ("cargo's unpacked crates (registry/src)".into(), data)
}

fn write(data: &[u8], piece: usize, writer: &mut impl Write) {
    for piece in data.chunks(piece) {
        writer.write_all(piece).expect("a Vec takes all");
    }
}

fn read(mut reader: impl Read) -> usize {
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    while let length @ 1.. = reader.read(&mut buffer).expect("it is whole") {
        black_box(&buffer[..length]);
        total += length;
    }
    total
}

fn all(mut reader: impl Read) -> Vec<u8> {
    let mut output = Vec::new();
    reader.read_to_end(&mut output).expect("it is whole");
    output
}

fn level(codec: Codec) -> u32 {
    codec.default_level().unsigned_abs()
}

fn direct_compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Zstd => zstd::bulk::compress(data, codec.default_level()).expect("it compresses"),
        _ => direct_encode(codec, data, data.len()),
    }
}

fn direct_encode(codec: Codec, data: &[u8], piece: usize) -> Vec<u8> {
    match codec {
        Codec::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), codec.default_level()).expect("a level");
            write(data, piece, &mut encoder);
            encoder.finish().expect("a Vec takes all")
        }
        Codec::Lz4 => {
            let mut encoder = FrameEncoder::new(Vec::new());
            write(data, piece, &mut encoder);
            encoder.finish().expect("a Vec takes all")
        }
        Codec::Xz => {
            let mut encoder = XzEncoder::new(Vec::new(), level(codec));
            write(data, piece, &mut encoder);
            encoder.finish().expect("a Vec takes all")
        }
        Codec::Bzip2 => {
            let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::new(level(codec)));
            write(data, piece, &mut encoder);
            encoder.finish().expect("a Vec takes all")
        }
        _ => unreachable!("every codec is here"),
    }
}

fn direct_decompress(codec: Codec, data: &[u8], length: usize) -> Vec<u8> {
    match codec {
        Codec::Zstd => zstd::bulk::decompress(data, length).expect("it is whole"),
        Codec::Lz4 => all(FrameDecoder::new(data)),
        Codec::Xz => all(XzDecoder::new(data)),
        Codec::Bzip2 => all(MultiBzDecoder::new(data)),
        _ => unreachable!("every codec is here"),
    }
}

fn direct_decode(codec: Codec, data: &[u8]) -> usize {
    match codec {
        Codec::Zstd => read(zstd::Decoder::with_buffer(data).expect("memory")),
        Codec::Lz4 => read(FrameDecoder::new(data)),
        Codec::Xz => read(liblzma::bufread::XzDecoder::new(data)),
        Codec::Bzip2 => read(bzip2::bufread::MultiBzDecoder::new(data)),
        _ => unreachable!("every codec is here"),
    }
}

fn ratio(base: impl Fn() -> usize, other: impl Fn() -> usize) -> f64 {
    let start = || {
        let start = Instant::now();
        move || start.elapsed()
    };
    rounds::ratio(start, base, other)
}
