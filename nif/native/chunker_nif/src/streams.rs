//! Codecs in slices: data that would hold a dirty scheduler for too long in one call.
//!
//! A resource belongs to one call of `Chunker.compress/2` or `Chunker.decompress/2`, so nobody waits
//! for its lock.

use crate::compression::{CodecName, Level, Limits};
use crate::failure::Failure;
use crate::terms::Bytes;
use chunker::compression::{Codec, CompressionError, Encoder, PushDecoder};
use rustler::{Binary, Resource, ResourceArc};
use std::io::Write as _;
use std::sync::Mutex;

/// A compression that has seen some slices; nothing once it ended.
struct CompressorResource(Codec, Mutex<Option<Encoder<Vec<u8>>>>);

#[rustler::resource_impl]
impl Resource for CompressorResource {}

/// Returns a compressor that has seen no data.
#[rustler::nif]
fn compressor_open(codec: CodecName, level: Level) -> Result<ResourceArc<CompressorResource>, Failure> {
    let codec = codec.codec()?;
    let encoder = Encoder::new(codec, level.0, Vec::new())?;
    Ok(ResourceArc::new(CompressorResource(codec, Mutex::new(Some(encoder)))))
}

/// Appends a slice of the data and returns what was compressed since the last call.
#[rustler::nif(schedule = "DirtyCpu")]
fn compressor_push_dirty(
    compressor: ResourceArc<CompressorResource>,
    slice: Binary<'_>,
) -> Result<Bytes<Vec<u8>>, Failure> {
    let CompressorResource(codec, encoder) = &*compressor;
    let mut encoder = encoder.lock().map_err(|_| Failure::CLOSED)?;
    let encoder = encoder.as_mut().ok_or(Failure::CLOSED)?;
    let failed = |source| CompressionError::Failed { codec: *codec, source };
    encoder.write_all(slice.as_slice()).map_err(failed)?;
    Ok(Bytes(std::mem::take(encoder.get_mut())))
}

/// Ends the data and returns the rest of it compressed.
#[rustler::nif(schedule = "DirtyCpu")]
fn compressor_finish_dirty(compressor: ResourceArc<CompressorResource>) -> Result<Bytes<Vec<u8>>, Failure> {
    let encoder = compressor.1.lock().map_err(|_| Failure::CLOSED)?.take().ok_or(Failure::CLOSED)?;
    Ok(Bytes(encoder.finish()?))
}

/// A decompression in progress.
struct DecompressorResource(Mutex<PushDecoder>);

#[rustler::resource_impl]
impl Resource for DecompressorResource {}

/// Returns a decompressor that has seen no data.
#[rustler::nif]
fn decompressor_open(codec: CodecName, limits: Limits) -> Result<ResourceArc<DecompressorResource>, Failure> {
    let decoder = PushDecoder::new(codec.codec()?, limits.limits()?)?;
    Ok(ResourceArc::new(DecompressorResource(Mutex::new(decoder))))
}

/// Appends a slice of the compressed data.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompressor_push_dirty(
    decompressor: ResourceArc<DecompressorResource>,
    slice: Binary<'_>,
) -> Result<bool, Failure> {
    decompressor.0.lock().map_err(|_| Failure::CLOSED)?.push(slice.as_slice())?;
    Ok(true)
}

/// Says that no more slices come.
#[rustler::nif]
fn decompressor_finish(decompressor: ResourceArc<DecompressorResource>) -> Result<bool, Failure> {
    decompressor.0.lock().map_err(|_| Failure::CLOSED)?.finish();
    Ok(true)
}

/// The most bytes that a call returns: what is allocated before anything is known of the data.
const MOST_OUTPUT: usize = 64 << 20;

/// Returns the next bytes, at most `most`; none when a slice is needed or the end is reached.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompressor_read_dirty(
    decompressor: ResourceArc<DecompressorResource>,
    most: usize,
) -> Result<Bytes<Vec<u8>>, Failure> {
    if most > MOST_OUTPUT {
        return Err(Failure::ARGUMENT);
    }
    let mut decoder = decompressor.0.lock().map_err(|_| Failure::CLOSED)?;
    let mut output = vec![0; most];
    let mut length = 0;
    while length < most {
        match decoder.read(&mut output[length..])? {
            0 => break,
            read => length += read,
        }
    }
    output.truncate(length);
    Ok(Bytes(output))
}
