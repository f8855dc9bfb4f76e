//! Data that would become more than 10 GB: how long they are decompressed, and in how much memory, until
//! the default limits refuse them.
//!
//! The memory is the peak of this process (`VmHWM` of Linux), less what it was before.

use chunker::compression::{
    Codec, CompressionError, Decoder, DecompressionLimits, PushDecoder, compress, decompress,
};
use std::io::Read as _;
use std::time::Instant;

fn main() {
    println!(
        "{:>6} {:>10} {:>6} {:>12} {:>8} {:>9}  error",
        "codec", "bytes", "GB", "by", "seconds", "peak MiB"
    );
    for codec in Codec::ALL.iter().copied() {
        let (bomb, length) = bomb(codec);
        for (name, run) in [
            ("decompress", in_one_call as fn(Codec, &[u8]) -> Result<(), CompressionError>),
            ("Decoder", by_decoder),
            ("PushDecoder", by_push_decoder),
        ] {
            std::fs::write("/proc/self/clear_refs", "5").expect("Linux"); // forgets the peak
            let (before, start) = (peak(), Instant::now());
            let error = run(codec, &bomb).expect_err("it is a bomb");
            println!(
                "{codec:>6} {:>10} {:>6.1} {name:>12} {:>8.2} {:>9}  {}",
                bomb.len(),
                length as f64 / 1e9,
                start.elapsed().as_secs_f64(),
                peak() - before,
                error.code()
            );
        }
    }
}

/// Returns the smallest data that frames of zeros make for more than 10 GB, and how much they become.
fn bomb(codec: Codec) -> (Vec<u8>, u64) {
    // A block of bzip2 holds 900 kB of runs, each five bytes for at most 259.
    let length: usize = if codec == Codec::Bzip2 { 45_000_000 } else { 250_000_000 };
    let level = if codec == Codec::Zstd { 19 } else { *codec.levels().end() };
    let frame = compress(codec, &vec![0; length], Some(level)).expect("it compresses");
    let count = 10_000_000_000_usize.div_ceil(length);
    (frame.repeat(count), (count * length) as u64)
}

fn in_one_call(codec: Codec, bomb: &[u8]) -> Result<(), CompressionError> {
    decompress(codec, bomb, DecompressionLimits::default()).map(drop)
}

fn by_decoder(codec: Codec, bomb: &[u8]) -> Result<(), CompressionError> {
    let mut decoder = Decoder::new(codec, bomb, DecompressionLimits::default())?;
    let mut buffer = vec![0; 64 << 10];
    while decoder.read(&mut buffer).map_err(|error| error.downcast().expect("a typed error"))? > 0 {}
    Ok(())
}

fn by_push_decoder(codec: Codec, bomb: &[u8]) -> Result<(), CompressionError> {
    let mut decoder = PushDecoder::new(codec, DecompressionLimits::default())?;
    let mut buffer = vec![0; 64 << 10];
    for piece in bomb.chunks(64 << 10) {
        decoder.push(piece)?;
        while decoder.read(&mut buffer)? > 0 {}
    }
    decoder.finish();
    while decoder.read(&mut buffer)? > 0 {}
    Ok(())
}

/// The peak of this process's memory in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}
