//! Codecs, in one call and in streams.

use super::option;
use crate::bytes;
use crate::failure::Failure;
use chunker::compression::{
    Adapted, Codec, CompressionError, DecompressionLimits, Encoder, PushDecoder, compress_adaptive,
    dictionary,
};
use js_sys::{Array, Uint8Array};
use std::io::Write as _;
use wasm_bindgen::prelude::*;

/// Bytes of a block that [`Decompressor::read`] returns.
const BLOCK: usize = 64 * 1024;

/// Returns the name of the codec whose magic bytes `head` begins with.
///
/// # Errors
/// `unknown_compression_format`.
#[wasm_bindgen]
pub fn detect(head: &Uint8Array) -> Result<String, Failure> {
    let codec = Codec::detect(&bytes::copied(head)?).ok_or(CompressionError::UnknownFormat)?;
    Ok(codec.name().into())
}

/// Returns `data` compressed; `undefined` stands for the core's default, and for no dictionary.
#[wasm_bindgen]
pub fn compress(
    codec: &JsValue,
    data: &Uint8Array,
    level: &JsValue,
    dictionary: &JsValue,
) -> Result<Uint8Array, Failure> {
    let codec = codec_of(codec)?;
    let level = level_of(level)?;
    let dictionary = dictionary_for(codec, dictionary)?;
    let data = bytes::copied(data)?;
    let compressed = match dictionary {
        Some(dictionary) => dictionary::compress(&dictionary, &data, level)?,
        None => chunker::compression::compress(codec, &data, level)?,
    };
    Ok(Uint8Array::from(compressed.as_slice()))
}

/// Returns `data` compressed, and `undefined` when that does not pay.
#[wasm_bindgen(js_name = compressAdaptive)]
pub fn compress_when_it_pays(
    codec: &JsValue,
    data: &Uint8Array,
    level: &JsValue,
) -> Result<Option<Uint8Array>, Failure> {
    let data = bytes::copied(data)?;
    Ok(match compress_adaptive(codec_of(codec)?, &data, level_of(level)?)? {
        Adapted::Stored(_) => None,
        Adapted::Compressed(compressed) => Some(Uint8Array::from(compressed.as_slice())),
    })
}

/// Returns a dictionary for inputs like `samples`, which are `Uint8Array`s.
#[wasm_bindgen(js_name = trainDictionary)]
pub fn train_dictionary(samples: &Array, max_size: &JsValue) -> Result<Uint8Array, Failure> {
    let max_size = option(max_size, "maxSize is not an integer from 0 to 2^53-1")?
        .ok_or(Failure::argument("maxSize is missing"))?;
    let max_size =
        usize::try_from(max_size).map_err(|_| Failure::argument("maxSize exceeds the module's memory"))?;
    let samples = samples
        .iter()
        .map(|sample| bytes::copied(&Uint8Array::from(sample)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Uint8Array::from(dictionary::train(&samples, max_size)?.as_slice()))
}

/// Compression of data that arrives in pieces.
#[wasm_bindgen]
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

#[wasm_bindgen]
impl Compressor {
    /// Returns a compressor that has seen no data; `undefined` stands for the core's default, and for
    /// no dictionary.
    #[wasm_bindgen(constructor)]
    pub fn new(codec: &JsValue, level: &JsValue, dictionary: &JsValue) -> Result<Self, Failure> {
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
    pub fn push(&mut self, piece: &Uint8Array) -> Result<(), Failure> {
        match self.input.as_mut().ok_or(Failure::CLOSED)? {
            Input::Encoded(encoder) => {
                let mut result = Ok(());
                bytes::for_each_slice(piece, |slice| {
                    if result.is_ok() {
                        result = encoder.write_all(slice);
                    }
                });
                result.map_err(|source| CompressionError::Failed { codec: self.codec, source }.into())
            }
            Input::Gathered { data, .. } => {
                let length = bytes::length(piece);
                data.try_reserve(length).map_err(|_| Failure::memory(length))?;
                bytes::for_each_slice(piece, |slice| data.extend_from_slice(slice));
                Ok(())
            }
        }
    }

    /// Ends the data.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.end = match self.input.take().ok_or(Failure::CLOSED)? {
            Input::Encoded(encoder) => encoder.finish()?,
            Input::Gathered { data, dictionary, level } => dictionary::compress(&dictionary, &data, level)?,
        };
        Ok(())
    }

    /// Returns what was compressed since the last call, and `undefined` when that is nothing.
    pub fn read(&mut self) -> Option<Uint8Array> {
        let compressed = match self.input.as_mut() {
            Some(Input::Encoded(encoder)) => encoder.get_mut(),
            Some(Input::Gathered { .. }) => return None,
            None => &mut self.end,
        };
        let read = (!compressed.is_empty()).then(|| Uint8Array::from(compressed.as_slice()));
        compressed.clear();
        read
    }
}

/// Decompression of data that arrives in pieces.
#[wasm_bindgen]
pub struct Decompressor {
    decoder: PushDecoder,
    block: Vec<u8>,
}

#[wasm_bindgen]
impl Decompressor {
    /// Returns a decompressor that has seen no data; `undefined` stands for the core's limits, and
    /// for no dictionary.
    #[wasm_bindgen(constructor)]
    pub fn new(
        codec: &JsValue,
        max_output: &JsValue,
        max_window_log: &JsValue,
        max_memory: &JsValue,
        dictionary: &JsValue,
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
        Ok(Self { decoder, block: vec![0; BLOCK] })
    }

    /// Appends a piece of the compressed data.
    pub fn push(&mut self, piece: &Uint8Array) -> Result<(), Failure> {
        let mut result = Ok(());
        bytes::for_each_slice(piece, |slice| {
            if result.is_ok() {
                result = self.decoder.push(slice);
            }
        });
        Ok(result?)
    }

    /// Says that no more pieces come.
    pub fn finish(&mut self) {
        self.decoder.finish();
    }

    /// Returns the next bytes, and `undefined` when a piece is needed or the end is reached.
    pub fn read(&mut self) -> Result<Option<Uint8Array>, Failure> {
        let length = self.decoder.read(&mut self.block)?;
        Ok((length > 0).then(|| Uint8Array::from(&self.block[..length])))
    }
}

fn codec_of(name: &JsValue) -> Result<Codec, Failure> {
    let name = name.as_string().ok_or(Failure::argument("codec is not a string"))?;
    let codec = Codec::ALL.iter().copied().find(|codec| codec.name() == name);
    codec.ok_or(Failure::argument("codec is not zstd, lz4, xz or bzip2"))
}

/// Returns a level for the core to check; `None` stands for `undefined`.
#[expect(clippy::cast_possible_truncation, reason = "a level that saturates is one that no codec has")]
fn level_of(value: &JsValue) -> Result<Option<i32>, Failure> {
    if value.is_undefined() {
        return Ok(None);
    }
    let level = value.as_f64().filter(|level| level.fract() == 0.0).ok_or(Failure::LEVEL)?;
    Ok(Some(level as i32))
}

fn dictionary_for(codec: Codec, dictionary: &JsValue) -> Result<Option<Vec<u8>>, Failure> {
    if dictionary.is_undefined() {
        return Ok(None);
    }
    if codec != Codec::Zstd {
        return Err(Failure::argument("only zstd supports dictionaries"));
    }
    bytes::copied(&Uint8Array::from(dictionary.clone())).map(Some)
}
