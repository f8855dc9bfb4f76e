//! Codecs, in one call and in streams.

use crate::bytes;
use crate::failure::Failure;
use crate::number::{Number, is_undefined, option};
use chunker::compression::{
    Adapted, Codec, CompressionError, DecompressionLimits, Encoder, PushDecoder, compress_adaptive,
    dictionary,
};
use napi::Env;
use napi::bindgen_prelude::{Either, Uint8Array, Uint8ArraySlice, Unknown};
use napi_derive::napi;
use std::io::Write as _;

/// Bytes of a block that [`Decompressor::read`] returns.
const BLOCK: usize = 64 * 1024;

/// What may be the name of a codec.
type Name<'a> = Either<String, Unknown<'a>>;

/// Bytes, or `undefined`.
type Dictionary = Option<Uint8Array>;

/// Returns the name of the codec whose magic bytes `head` begins with.
///
/// # Errors
/// `unknown_compression_format`.
#[napi(catch_unwind)]
pub fn detect(head: &[u8]) -> Result<String, Failure> {
    Ok(Codec::detect(head).ok_or(CompressionError::UnknownFormat)?.name().into())
}

/// Returns `data` compressed; `undefined` stands for the core's default, and for no dictionary.
#[napi(catch_unwind)]
pub fn compress<'env>(
    env: &'env Env,
    codec: Name<'_>,
    data: &[u8],
    level: Number<'_>,
    dictionary: Dictionary,
) -> Result<Uint8ArraySlice<'env>, Failure> {
    let codec = codec_of(codec)?;
    let level = level_of(level)?;
    let compressed = match dictionary_for(codec, dictionary)? {
        Some(dictionary) => dictionary::compress(&dictionary, data, level)?,
        None => chunker::compression::compress(codec, data, level)?,
    };
    bytes::copied(env, &compressed)
}

/// Returns `data` compressed, and `undefined` when that does not pay.
#[napi(js_name = "compressAdaptive", catch_unwind)]
pub fn compress_when_it_pays<'env>(
    env: &'env Env,
    codec: Name<'_>,
    data: &[u8],
    level: Number<'_>,
) -> Result<Either<Uint8ArraySlice<'env>, ()>, Failure> {
    Ok(match compress_adaptive(codec_of(codec)?, data, level_of(level)?)? {
        Adapted::Stored(_) => Either::B(()),
        Adapted::Compressed(compressed) => Either::A(bytes::copied(env, &compressed)?),
    })
}

/// Returns a dictionary for inputs like `samples`.
#[napi(catch_unwind)]
pub fn train_dictionary<'env>(
    env: &'env Env,
    samples: Vec<Uint8Array>,
    max_size: Number<'_>,
) -> Result<Uint8ArraySlice<'env>, Failure> {
    let max_size = option(max_size, "maxSize is not an integer from 0 to 2^53-1")?
        .ok_or(Failure::argument("maxSize is missing"))?;
    let max_size =
        usize::try_from(max_size).map_err(|_| Failure::argument("maxSize exceeds this machine's memory"))?;
    bytes::copied(env, &dictionary::train(&samples, max_size)?)
}

/// Compression of data that arrives in pieces.
#[napi]
pub struct Compressor {
    /// `None` once finished.
    input: Option<Input>,
    codec: Codec,
    /// What finishing wrote.
    end: Vec<u8>,
}

enum Input {
    Encoded(Box<Encoder<Vec<u8>>>),
    /// The core compresses with a dictionary in one call.
    Gathered {
        data: Vec<u8>,
        dictionary: Vec<u8>,
        level: Option<i32>,
    },
}

#[napi]
impl Compressor {
    /// Returns a compressor that has seen no data; `undefined` stands for the core's default, and for
    /// no dictionary.
    #[napi(constructor, catch_unwind)]
    pub fn new(codec: Name<'_>, level: Number<'_>, dictionary: Dictionary) -> Result<Self, Failure> {
        let codec = codec_of(codec)?;
        let level = level_of(level)?;
        let input = match dictionary_for(codec, dictionary)? {
            Some(dictionary) => {
                // Wrong options are found at the start, not at the end of the data.
                dictionary::compress(&dictionary, &[], level)?;
                Input::Gathered { data: Vec::new(), dictionary, level }
            }
            None => Input::Encoded(Box::new(Encoder::new(codec, level, Vec::new())?)),
        };
        Ok(Self { input: Some(input), codec, end: Vec::new() })
    }

    /// Appends a piece of the data.
    #[napi(catch_unwind)]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        match self.input.as_mut().ok_or(Failure::CLOSED)? {
            Input::Encoded(encoder) => encoder
                .write_all(piece)
                .map_err(|source| CompressionError::Failed { codec: self.codec, source }.into()),
            Input::Gathered { data, .. } => {
                data.try_reserve(piece.len()).map_err(|_| Failure::memory(piece.len()))?;
                data.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Ends the data.
    #[napi(catch_unwind)]
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.end = match self.input.take().ok_or(Failure::CLOSED)? {
            Input::Encoded(encoder) => encoder.finish()?,
            Input::Gathered { data, dictionary, level } => dictionary::compress(&dictionary, &data, level)?,
        };
        Ok(())
    }

    /// Returns what was compressed since the last call, and `undefined` when that is nothing.
    #[napi(catch_unwind)]
    pub fn read<'env>(&mut self, env: &'env Env) -> Result<Either<Uint8ArraySlice<'env>, ()>, Failure> {
        let compressed = match self.input.as_mut() {
            Some(Input::Encoded(encoder)) => encoder.get_mut(),
            Some(Input::Gathered { .. }) => return Ok(Either::B(())),
            None => &mut self.end,
        };
        if compressed.is_empty() {
            return Ok(Either::B(()));
        }
        let read = bytes::copied(env, compressed)?;
        compressed.clear();
        Ok(Either::A(read))
    }

    /// Frees the compressor.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.input = None;
        self.end = Vec::new();
    }
}

/// Decompression of data that arrives in pieces.
#[napi]
pub struct Decompressor {
    /// `None` once freed.
    decoder: Option<PushDecoder>,
    block: Vec<u8>,
}

#[napi]
impl Decompressor {
    /// Returns a decompressor that has seen no data; `undefined` stands for the core's limits, and
    /// for no dictionary.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        codec: Name<'_>,
        max_output: Number<'_>,
        max_window_log: Number<'_>,
        max_memory: Number<'_>,
        dictionary: Dictionary,
    ) -> Result<Self, Failure> {
        let codec = codec_of(codec)?;
        let mut limits = DecompressionLimits::default();
        if let Some(output) = option(max_output, "maxOutput is not an integer from 0 to 2^53-1")? {
            limits.max_output = output;
        }
        if let Some(memory) = option(max_memory, "maxMemory is not an integer from 0 to 2^53-1")? {
            limits.max_memory = memory;
        }
        if let Some(log) = option(max_window_log, "maxWindowLog is not an integer from 0 to 2^53-1")? {
            limits.max_window_log = u32::try_from(log).unwrap_or(u32::MAX); // which no zstd has either
        }
        let decoder = match dictionary_for(codec, dictionary)? {
            Some(dictionary) => PushDecoder::with_dictionary(&dictionary, limits)?,
            None => PushDecoder::new(codec, limits)?,
        };
        Ok(Self { decoder: Some(decoder), block: vec![0; BLOCK] })
    }

    /// Appends a piece of the compressed data.
    #[napi(catch_unwind)]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        Ok(self.decoder.as_mut().ok_or(Failure::CLOSED)?.push(piece)?)
    }

    /// Says that no more pieces come.
    #[napi(catch_unwind)]
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.decoder.as_mut().ok_or(Failure::CLOSED)?.finish();
        Ok(())
    }

    /// Returns the next bytes, and `undefined` when a piece is needed or the end is reached.
    #[napi(catch_unwind)]
    pub fn read<'env>(&mut self, env: &'env Env) -> Result<Either<Uint8ArraySlice<'env>, ()>, Failure> {
        let length = self.decoder.as_mut().ok_or(Failure::CLOSED)?.read(&mut self.block)?;
        Ok(match &self.block[..length] {
            [] => Either::B(()),
            bytes => Either::A(bytes::copied(env, bytes)?),
        })
    }

    /// Frees the decompressor.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.decoder = None;
        self.block = Vec::new();
    }
}

fn codec_of(name: Name<'_>) -> Result<Codec, Failure> {
    let Either::A(name) = name else { return Err(Failure::argument("codec is not a string")) };
    let codec = Codec::ALL.iter().copied().find(|codec| codec.name() == name);
    codec.ok_or(Failure::argument("codec is not zstd, lz4, xz or bzip2"))
}

/// Returns a level for the core to check; `None` stands for `undefined`.
#[expect(clippy::cast_possible_truncation, reason = "a level that saturates is one that no codec has")]
fn level_of(level: Number<'_>) -> Result<Option<i32>, Failure> {
    match level {
        Either::A(level) if level.fract() == 0.0 => Ok(Some(level as i32)),
        Either::B(other) if is_undefined(&other) => Ok(None),
        _ => Err(Failure::LEVEL),
    }
}

fn dictionary_for(codec: Codec, dictionary: Dictionary) -> Result<Option<Vec<u8>>, Failure> {
    match dictionary {
        Some(_) if codec != Codec::Zstd => Err(Failure::argument("only zstd supports dictionaries")),
        dictionary => Ok(dictionary.map(|dictionary| dictionary.to_vec())),
    }
}
