//! Laws of compression, with the tools `zstd`, `lz4`, `xz` and `bzip2` as the other side.

use crate::harness::test;
use crate::noise::noise;
use chunker::compression::{
    Adapted, Codec, CompressionError, CompressionScratch, Decoder, DecompressionLimits, Encoder, PushDecoder,
    compress, compress_adaptive, compress_batch, compress_bzip2, compress_into, compress_lz4, compress_xz,
    compress_zstd, decompress, decompress_auto, decompress_bzip2, decompress_into, decompress_lz4,
    decompress_up_to, decompress_xz, decompress_zstd, dictionary, is_worth_compressing,
};
use proptest::prelude::*;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

const ALL: [Codec; 4] = [Codec::Zstd, Codec::Lz4, Codec::Xz, Codec::Bzip2];

fn text(length: usize) -> Vec<u8> {
    let words =
        ["cut", "point", "gear", "hash", "chunk", "digest", "codec", "manifest", "the", "of", "a", "and"];
    noise(length)
        .iter()
        .flat_map(|byte| [words[usize::from(*byte) % 12], " "].concat().into_bytes())
        .take(length)
        .collect()
}

/// A tar archive of some sources of this repository, made by `tar`. Longer than a block of bzip2, 900 KB.
fn tar() -> Vec<u8> {
    let mut tar = Command::new("tar");
    tar.args(["-c", "-C", env!("CARGO_MANIFEST_DIR"), "src", "store/src", "tests/suite"]);
    tar.output().expect("tar is installed").stdout
}

/// Runs a codec's own tool as a filter.
fn tool(codec: Codec, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut tool = Command::new(codec.name());
    tool.args(arguments).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = tool.spawn().expect("the tool is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("the tool reads its input"));
        let output = child.wait_with_output().expect("the tool ends");
        assert!(output.status.success(), "{codec} {arguments:?}");
        output.stdout
    })
}

fn within(output: u64) -> DecompressionLimits {
    DecompressionLimits::default().with_max_output(output)
}

fn code<T: std::fmt::Debug>(result: Result<T, CompressionError>) -> &'static str {
    result.expect_err("this must be refused").code()
}

#[test]
fn a_codec_has_the_name_and_the_default_level_of_its_tool() {
    let expected =
        [(Codec::Zstd, "zstd", 3), (Codec::Lz4, "lz4", 1), (Codec::Xz, "xz", 6), (Codec::Bzip2, "bzip2", 9)];
    for (codec, name, level) in expected {
        assert_eq!((codec.name(), codec.to_string().as_str(), codec.default_level()), (name, name, level));
        let data = text(100_000);
        assert_eq!(compress(codec, &data, None).unwrap(), compress(codec, &data, Some(level)).unwrap());
    }
}

#[test]
fn every_level_reads_back() {
    let data = text(50_000);
    for codec in ALL {
        for level in codec.levels().filter(|level| (-7..=22).contains(level)) {
            let compressed = compress(codec, &data, Some(level)).unwrap();
            let limits = within(50_000).with_max_window_log(27);
            assert!(decompress(codec, &compressed, limits).unwrap() == data, "{codec} level {level}");
        }
        let range = codec.levels();
        for level in [range.start() - 1, range.end() + 1, i32::MIN, i32::MAX] {
            assert_eq!(
                code(compress(codec, &data, Some(level))),
                "invalid_compression_level",
                "{codec} {level}"
            );
        }
    }
}

#[test]
fn output_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let mut scratch = CompressionScratch::new();
    for codec in ALL {
        for length in [0, 1, 2, 127, 65_535, 65_536, 65_537, 1_000_000] {
            let data = text(length);
            let compressed = compress(codec, &data, None).unwrap();
            let limit = length as u64;
            assert!(decompress(codec, &compressed, within(limit)).unwrap() == data, "{codec} {length}");
            assert!(
                scratch.decompress(codec, &compressed, within(limit)).unwrap() == data,
                "{codec} {length}"
            );
            if length > 0 {
                let exceeded = CompressionError::SizeExceeded { limit: limit - 1 }.to_string();
                for error in [
                    decompress(codec, &compressed, within(limit - 1)).unwrap_err(),
                    scratch.decompress(codec, &compressed, within(limit - 1)).unwrap_err(),
                ] {
                    assert_eq!(error.to_string(), exceeded, "{codec} {length}");
                }
            }
        }
    }
}

#[test]
fn every_prefix_is_truncated_and_every_extension_is_corrupt() {
    let mut scratch = CompressionScratch::new();
    let data = text(3000);
    for codec in ALL {
        let compressed = compress(codec, &data, None).unwrap();
        for end in 0..compressed.len() {
            assert_eq!(
                code(decompress(codec, &compressed[..end], within(1 << 20))),
                "truncated_data",
                "{codec} {end}"
            );
            let result = scratch.decompress(codec, &compressed[..end], within(1 << 20));
            assert_eq!(code(result), "truncated_data", "{codec} {end}");
        }
        for extra in [&b"x"[..], b"extra bytes behind the last frame"] {
            let longer = [&compressed, extra].concat();
            for result in [
                decompress(codec, &longer, within(1 << 20)).map(drop),
                scratch.decompress(codec, &longer, within(1 << 20)).map(drop),
            ] {
                let code = code(result);
                // One byte may be the beginning of another frame.
                assert!(
                    code.ends_with("_decompression_failed") || extra.len() == 1 && code == "truncated_data",
                    "{codec} {code}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn streams_in_any_pieces_are_the_calls_in_one(
        length in 0..40_000usize,
        piece in 1..5000usize,
        codec in prop::sample::select(&ALL[..]),
    ) {
        let data = text(length);
        let mut encoder = Encoder::new(codec, None, Vec::new()).unwrap();
        for piece in data.chunks(piece) {
            encoder.write_all(piece).unwrap();
        }
        let compressed = encoder.finish().unwrap();
        let reader = io::BufReader::with_capacity(piece, compressed.as_slice());
        let mut decoder = Decoder::new(codec, reader, within(length as u64)).unwrap();
        let mut output = Vec::new();
        decoder.read_to_end(&mut output).unwrap();
        prop_assert_eq!(output, data);
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    // The smallest that the tools make of 20 MB of zeros; what lies beyond the limit is never produced.
    let zeros = vec![0; 20_000_000];
    for codec in ALL {
        let bomb = compress(codec, &zeros, Some(*codec.levels().end())).unwrap();
        let limits = within(1 << 20).with_max_window_log(27);
        let mut output = Vec::new();
        assert_eq!(code(decompress_into(codec, &bomb, limits, &mut output)), "size_exceeded", "{codec}");
        assert!(output.capacity() <= 4 << 20, "{codec} keeps {} bytes", output.capacity());
    }
}

#[test]
fn a_reader_ends_after_an_error_and_passes_errors_of_its_source_on() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            Err(if self.0 { io::ErrorKind::Interrupted } else { io::ErrorKind::ConnectionReset }.into())
        }
    }
    for codec in ALL {
        let mut decoder = Decoder::new(codec, io::BufReader::new(Broken(false)), within(10)).unwrap();
        let kinds = [(); 2].map(|()| decoder.read(&mut [0; 10]).unwrap_err().kind());
        assert_eq!(kinds, [io::ErrorKind::Interrupted, io::ErrorKind::ConnectionReset], "{codec}");
        assert_eq!(decoder.read(&mut [0; 10]).unwrap(), 0, "{codec}");

        let mut decoder = Decoder::new(codec, &b"no frame at all, but many bytes"[..], within(10)).unwrap();
        let error = decoder.read(&mut [0; 10]).unwrap_err().downcast::<CompressionError>().unwrap();
        assert!(error.code().ends_with("_decompression_failed"), "{codec} {error:?}");
        assert_eq!(decoder.read(&mut [0; 10]).unwrap(), 0, "{codec}");
    }
}

#[test]
fn errors_of_the_source_are_never_those_of_the_data() {
    use io::ErrorKind::{
        InvalidData, InvalidInput, Other, OutOfMemory, TimedOut, UnexpectedEof, Unsupported,
    };
    /// Gives some bytes, then an error.
    struct Broken<'a>(&'a [u8], io::ErrorKind);
    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::new(self.1, "the network")),
                length => Ok(length),
            }
        }
    }
    for codec in ALL {
        let whole = compress(codec, &noise(100_000), None).unwrap();
        for kind in [Other, UnexpectedEof, InvalidData, InvalidInput, OutOfMemory, Unsupported, TimedOut] {
            for length in [0, 1, 5, 1000, whole.len() - 1, whole.len()] {
                let source = io::BufReader::new(Broken(&whole[..length], kind));
                let mut decoder = Decoder::new(codec, source, DecompressionLimits::default()).unwrap();
                let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
                match error.downcast::<CompressionError>().unwrap() {
                    CompressionError::Io(source) => assert_eq!(source.to_string(), "the network"),
                    other => panic!("{codec}, {kind:?} after {length} bytes: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn an_encoder_that_is_not_finished_leaves_no_whole_frame() {
    for codec in ALL {
        for (data, flushed) in
            [(noise(3_000_000), false), (text(1000), false), (text(1000), true), (vec![], false)]
        {
            let mut written = Vec::new();
            let mut encoder = Encoder::new(codec, None, &mut written).unwrap();
            encoder.write_all(&data).unwrap();
            if flushed {
                encoder.flush().unwrap();
            }
            drop(encoder);
            assert_eq!(
                code(decompress(codec, &written, DecompressionLimits::default())),
                "truncated_data",
                "{codec}"
            );
        }
    }
}

#[test]
fn what_an_encoder_wrote_may_be_taken_from_it_at_any_time() {
    for codec in ALL {
        let mut encoder = Encoder::new(codec, None, Vec::new()).unwrap();
        let mut taken = Vec::new();
        for piece in noise(600_000).chunks(50_000) {
            encoder.write_all(piece).unwrap();
            taken.append(encoder.get_mut());
        }
        taken.append(&mut encoder.finish().unwrap());
        assert_eq!(decompress(codec, &taken, within(600_000)).unwrap(), noise(600_000), "{codec}");
    }
}

#[test]
fn an_encoder_passes_errors_of_its_writer_on() {
    /// Takes so many bytes.
    struct Disk(usize);
    impl Write for Disk {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let length = data.len().min(self.0);
            self.0 -= length;
            if length == 0 { Err(io::Error::other("disk full")) } else { Ok(length) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for codec in ALL {
        for space in [0, 4, 1000] {
            let mut encoder = Encoder::new(codec, None, Disk(space)).unwrap();
            let written = encoder.write_all(&noise(300_000)).map_err(CompressionError::Io);
            match written.and_then(|()| encoder.finish().map(drop)).unwrap_err() {
                CompressionError::Io(source) => assert_eq!(source.to_string(), "disk full", "{codec}"),
                other => panic!("{codec} with {space} bytes: {other:?}"),
            }
        }
    }
}

#[test]
fn window_limits_out_of_range_are_refused_for_every_codec() {
    for codec in ALL {
        let whole = compress(codec, b"data", None).unwrap();
        for window_log in [0, 9, 31, 32, u32::MAX] {
            let limits = within(4).with_max_window_log(window_log);
            assert_eq!(code(decompress(codec, &whole, limits)), "invalid_window_log", "{codec}");
            assert_eq!(code(Decoder::new(codec, &whole[..], limits)), "invalid_window_log", "{codec}");
            assert_eq!(code(PushDecoder::new(codec, limits)), "invalid_window_log", "{codec}");
            let result = CompressionScratch::new().decompress(codec, &whole, limits).map(<[u8]>::len);
            assert_eq!(code(result), "invalid_window_log", "{codec}");
        }
        for window_log in [10, 30] {
            let limits = within(4).with_max_window_log(window_log);
            assert_eq!(decompress(codec, &whole, limits).unwrap(), b"data", "{codec}");
        }
    }
    assert_eq!(
        code(dictionary::decompress(b"", b"", within(4).with_max_window_log(9))),
        "invalid_window_log"
    );
}

#[test]
fn output_buffers_grow_to_at_most_one_byte_beyond_the_limit() {
    for codec in ALL {
        let data = text(1_000_000);
        let compressed = compress(codec, &data, None).unwrap();
        for extra in [0, 1, 100_000, 1 << 30] {
            let limit = data.len() as u64 + extra;
            let output = decompress(codec, &compressed, within(limit)).unwrap();
            assert!(output.capacity() as u64 <= limit + 1, "{codec}: {} bytes", output.capacity());
            assert!(
                output.capacity() <= 2 * data.len() + (128 << 10),
                "{codec}: {} bytes",
                output.capacity()
            );
        }
    }
}

#[test]
fn content_above_a_bound_is_left_to_others_and_any_other_is_decompressed() {
    for codec in ALL {
        let data = text(10_000);
        let compressed = compress(codec, &data, None).unwrap();
        let up_to = |most, max_output| decompress_up_to(codec, &compressed, within(max_output), most);
        assert_eq!(up_to(10_000, 10_000).unwrap().as_ref(), Some(&data));
        assert_eq!(up_to(10_000, 1 << 30).unwrap(), Some(data));
        assert_eq!(up_to(9_999, 1 << 30).unwrap(), None);
        assert_eq!(code(up_to(10_000, 9_999)), "size_exceeded");
        let truncated = &compressed[..compressed.len() - 1];
        assert_eq!(code(decompress_up_to(codec, truncated, within(1 << 30), 10_000)), "truncated_data");
    }
}

#[test]
fn appending_keeps_what_was_there() {
    for codec in ALL {
        let mut output = b"before".to_vec();
        compress_into(codec, b"data", None, &mut output).unwrap();
        let compressed = output.split_off(6);
        assert_eq!(output, b"before");
        decompress_into(codec, &compressed, within(4), &mut output).unwrap();
        assert_eq!(output, b"beforedata");
    }
}

#[test]
fn the_functions_named_after_codecs_read_back() {
    let data = text(10_000);
    assert_eq!(decompress_zstd(&compress_zstd(&data, None).unwrap()).unwrap(), data);
    assert_eq!(decompress_lz4(&compress_lz4(&data).unwrap()).unwrap(), data);
    assert_eq!(decompress_xz(&compress_xz(&data, None).unwrap()).unwrap(), data);
    assert_eq!(decompress_bzip2(&compress_bzip2(&data, None).unwrap()).unwrap(), data);
    assert_eq!(code(decompress_auto(b"nothing that is known")), "unknown_compression_format");
    let batch = compress_batch(Codec::Zstd, [&data[..], b""], None);
    assert_eq!(
        batch.into_iter().map(|item| decompress_zstd(&item.unwrap()).unwrap()).collect::<Vec<_>>(),
        [data, vec![]]
    );
}

#[test]
fn compression_pays_where_adaptive_compression_compresses() {
    for codec in ALL {
        for data in
            [vec![], vec![0; 4000], text(1000), text(200_000), noise(300_000), b"PK\x03\x04".repeat(999)]
        {
            let compressed = matches!(compress_adaptive(codec, &data, None), Ok(Adapted::Compressed(_)));
            assert_eq!(is_worth_compressing(codec, &data).unwrap(), compressed, "{codec}: {}", data.len());
        }
        // Up to 64 KiB, only compressing it all says whether that pays.
        assert!(is_worth_compressing(codec, &noise(1000)).unwrap());
    }
}

#[test]
fn a_dictionary_shrinks_small_inputs_and_is_needed_to_read_them() {
    let sample = |index: usize| {
        format!("{{\"offset\": {}, \"length\": {}, \"codec\": \"zstd\"}}", index * 7919, index % 64)
    };
    let samples: Vec<String> = (0..2000).map(sample).collect();
    let trained = dictionary::train(&samples, 4096).unwrap();
    assert!(trained.len() <= 4096);
    let data = sample(5000).into_bytes();
    let compressed = dictionary::compress(&trained, &data, None).unwrap();
    assert!(compressed.len() < compress_zstd(&data, None).unwrap().len());
    assert_eq!(dictionary::decompress(&trained, &compressed, within(data.len() as u64)).unwrap(), data);
    assert_eq!(
        code(dictionary::decompress(&trained, &compressed, within(data.len() as u64 - 1))),
        "size_exceeded"
    );
    assert_eq!(code(decompress_zstd(&compressed)), "zstd_decompression_failed");

    let mut encoder = Encoder::with_dictionary(&trained, None, Vec::new()).unwrap();
    for piece in data.chunks(7) {
        encoder.write_all(piece).unwrap();
    }
    let streamed = encoder.finish().unwrap();
    assert!(streamed.len() < compress_zstd(&data, None).unwrap().len());
    assert_eq!(dictionary::decompress(&trained, &streamed, within(data.len() as u64)).unwrap(), data);
    assert_eq!(code(decompress_zstd(&streamed)), "zstd_decompression_failed");
    let with_level = |level| Encoder::with_dictionary(&trained, Some(level), Vec::new());
    assert_eq!(code(with_level(1000)), "invalid_compression_level");

    assert_eq!(code(dictionary::train(&samples[..1], 4096)), "zstd_compression_failed");
    let length: usize = samples.iter().map(String::len).sum();
    assert!(dictionary::train(&samples, usize::MAX).unwrap().len() <= length);
}

/// Laws that need other programs.
mod tools {
    use super::*;
    use core::prelude::v1::test;

    #[test]
    fn every_tool_reads_what_is_written_here_and_the_reverse() {
        let inputs = [
            ("empty", vec![]),
            ("1 byte", vec![7]),
            ("text", text(300_000)),
            ("random", noise(300_000)),
            ("tar", tar()),
        ];
        let mut cases = 0;
        for codec in ALL {
            for (name, data) in &inputs {
                let ours = compress(codec, data, None).unwrap();
                assert!(tool(codec, &["-d"], &ours) == *data, "{codec} reads {name}");
                let theirs = tool(codec, &[], data);
                assert!(
                    decompress(codec, &theirs, DecompressionLimits::default()).unwrap() == *data,
                    "{name} of {codec}"
                );
                assert!(decompress_auto(&theirs).unwrap() == *data, "{name} of {codec} detected");
                cases += 1;
            }
        }
        assert_eq!(cases, 20);
    }

    #[test]
    fn xz_at_level_6_compresses_like_its_tool() {
        for data in [text(2_000_000), tar()] {
            let ours = compress_xz(&data, Some(6)).unwrap().len();
            let theirs = tool(Codec::Xz, &["-6"], &data).len();
            assert!(ours.abs_diff(theirs) * 50 < theirs, "{ours} bytes here, {theirs} by xz");
        }
    }

    #[test]
    fn files_of_the_tools_with_several_frames_are_read_whole() {
        for codec in ALL {
            let frames =
                [tool(codec, &[], b"one"), tool(codec, &[], b""), compress(codec, b"two", None).unwrap()]
                    .concat();
            assert_eq!(decompress(codec, &frames, within(6)).unwrap(), b"onetwo", "{codec}");
            assert_eq!(code(decompress(codec, &frames, within(5))), "size_exceeded", "{codec}");
        }
        // A skippable frame (RFC 8878, 3.1.2) may stand before, between and behind others.
        let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
        for codec in [Codec::Zstd, Codec::Lz4] {
            let frame = compress(codec, b"data", None).unwrap();
            let frames = [skippable, &frame[..], skippable, &frame, skippable].concat();
            assert_eq!(Codec::detect(&frames), Some(codec));
            assert_eq!(decompress_auto(&frames).unwrap(), b"datadata", "{codec}");
            assert_eq!(decompress(codec, &frames, within(8)).unwrap(), b"datadata", "{codec}");
            assert_eq!(
                code(decompress(codec, &frames[..frames.len() - 1], within(8))),
                "truncated_data",
                "{codec}"
            );
        }
        assert_eq!(decompress_auto(&skippable.repeat(2)).unwrap(), b"");
        let cut: &[u8] = b"\x5a\x2a\x4d\x18\xff\xff\xff\xffabc";
        for unknown in [&skippable[..10], cut, &[skippable, &b"data"[..]].concat()] {
            assert_eq!(Codec::detect(unknown), None);
        }
    }

    /// Checksums are in every .xz and .bz2 stream, and in what the tools `zstd` and `lz4` make by default.
    /// Frames of zstd and LZ4 that are made here have none: of their damage only the bounds can hold.
    #[test]
    fn one_flipped_bit_is_an_error_or_harmless_where_there_are_checksums() {
        let data = text(700);
        for codec in ALL {
            let checked = tool(codec, &[], &data);
            let ours = compress(codec, &data, None).unwrap();
            let always = matches!(codec, Codec::Xz | Codec::Bzip2);
            let (mut errors, mut other) = (0, 0);
            for (frame, has_checksum) in [(checked, true), (ours, always)] {
                for bit in 0..8 * frame.len() {
                    let mut damaged = frame.clone();
                    damaged[bit / 8] ^= 1 << (bit % 8);
                    let mut output = b"before".to_vec();
                    if decompress_into(codec, &damaged, within(10_000), &mut output).is_err() {
                        assert_eq!(output, b"before", "nothing partial");
                        errors += 1;
                    } else if output[6..] != data {
                        assert!(!has_checksum, "{codec}, bit {bit}");
                        assert!(output.len() <= 6 + 10_000);
                        other += 1;
                    }
                }
            }
            assert!(errors > 1000, "{codec}: {errors} errors");
            assert_eq!(other > 0, !always, "{codec}: {other} other outputs");
        }
    }

    #[test]
    fn windows_beyond_the_limit_are_refused() {
        let data = text(100_000);
        let wide = tool(Codec::Zstd, &["--ultra", "--long=27", "-22"], &[data.as_slice(); 100].concat());
        assert_eq!(code(decompress_zstd(&wide)), "window_exceeded");
        assert_eq!(
            code(CompressionScratch::new().decompress(Codec::Zstd, &wide, DecompressionLimits::default())),
            "window_exceeded"
        );
        let limits = DecompressionLimits::default().with_max_window_log(27);
        assert_eq!(decompress(Codec::Zstd, &wide, limits).unwrap().len(), 10_000_000);
        let best = tool(Codec::Xz, &["-9"], &data);
        assert_eq!(decompress_xz(&best).unwrap(), data, "the default allows every level of xz");
        let limits = DecompressionLimits::default().with_max_memory(8 << 20);
        assert_eq!(code(decompress(Codec::Xz, &best, limits)), "window_exceeded");
    }

    #[test]
    fn scratch_gives_what_the_functions_give_in_any_order_of_codecs() {
        let mut scratch = CompressionScratch::new();
        for length in [10_000, 0, 1, 400_000, 3] {
            for codec in ALL {
                let data = text(length);
                let compressed = scratch.compress(codec, &data, None).unwrap().to_vec();
                assert!(
                    decompress(codec, &compressed, within(length as u64)).unwrap() == data,
                    "{codec} {length}"
                );
                assert!(tool(codec, &["-d"], &compressed) == data, "{codec} {length}");
                assert!(
                    scratch.decompress(codec, &compressed, within(length as u64)).unwrap() == data,
                    "{codec} {length}"
                );
            }
        }
    }

    #[test]
    fn adaptive_compression_leaves_alone_what_does_not_shrink() {
        for codec in ALL {
            let compressible = text(200_000);
            let Adapted::Compressed(compressed) = compress_adaptive(codec, &compressible, None).unwrap()
            else {
                panic!("text shrinks with {codec}");
            };
            assert_eq!(decompress(codec, &compressed, within(200_000)).unwrap(), compressible);
            let bytes = |adapted: Adapted<'_>| adapted.into_bytes().into_owned();
            assert_eq!(bytes(compress_adaptive(codec, &compressible, None).unwrap()), compressed);
            assert_eq!(bytes(compress_adaptive(codec, &noise(1000), None).unwrap()), noise(1000));
            for stored in [
                vec![],
                vec![7],
                noise(1000),
                noise(300_000),
                compressed,
                tool(Codec::Xz, &[], &compressible),
            ] {
                assert_eq!(
                    compress_adaptive(codec, &stored, None).unwrap(),
                    Adapted::Stored(&stored),
                    "{codec}"
                );
            }
            let jpeg = [&b"\xff\xd8\xff\xe0"[..], &vec![0; 100_000]].concat();
            assert_eq!(compress_adaptive(codec, &jpeg, None).unwrap(), Adapted::Stored(&jpeg));
            assert_eq!(code(compress_adaptive(codec, &[], Some(i32::MAX))), "invalid_compression_level");
        }
    }
}
