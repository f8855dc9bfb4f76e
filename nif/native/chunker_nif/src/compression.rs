//! Codecs in one call.

use crate::failure::Failure;
use crate::options::is_nil;
use crate::pool;
use crate::terms::{Bytes, Items, account};
use chunker::compression::{Codec, CompressionError, DecompressionLimits};
use rustler::{Atom, Binary, Decoder, Env, NifResult, Term};

/// Bytes compressed in 1 % of a timeslice, 10 µs, by zstd at level 3.
const BYTES_PER_PERCENT: usize = 2 * 1024;

mod atoms {
    rustler::atoms! { zstd, lz4, xz, bzip2 }
}

/// The name of a codec.
pub(crate) struct CodecName(Result<Codec, Failure>);

impl<'a> Decoder<'a> for CodecName {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let name = Atom::from_term(term);
        let codec = Codec::ALL.iter().find(|&&codec| name.as_ref().is_ok_and(|&name| name == atom_of(codec)));
        Ok(Self(codec.copied().ok_or(Failure::ARGUMENT)))
    }
}

impl CodecName {
    pub(crate) fn codec(&self) -> Result<Codec, Failure> {
        self.0
    }
}

/// Returns the atom of a codec; codecs that the core may get in a minor version have none yet.
fn atom_of(codec: Codec) -> Atom {
    match codec {
        Codec::Zstd => atoms::zstd(),
        Codec::Lz4 => atoms::lz4(),
        Codec::Xz => atoms::xz(),
        Codec::Bzip2 => atoms::bzip2(),
        _ => rustler::types::atom::undefined(),
    }
}

/// The level of a codec, for the core to check; `nil` stands for the codec's default.
pub(crate) struct Level(pub(crate) Option<i32>);

impl<'a> Decoder<'a> for Level {
    /// What is no integer of 32 bits becomes a level that no codec has.
    fn decode(term: Term<'a>) -> NifResult<Self> {
        Ok(Self(if is_nil(term) { None } else { Some(term.decode().unwrap_or(i32::MAX)) }))
    }
}

/// Limits of a decompression: output, base-2 logarithm of zstd's window, and memory of xz; `nil`
/// stands for the core's default.
pub(crate) struct Limits(Result<DecompressionLimits, Failure>);

impl<'a> Decoder<'a> for Limits {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let (output, window_log, memory): (Term<'a>, Term<'a>, Term<'a>) = term.decode()?;
        let default = DecompressionLimits::default();
        let limits = || {
            Ok(default
                .with_max_output(or_default(output, default.max_output)?)
                .with_max_window_log(or_default(window_log, default.max_window_log)?)
                .with_max_memory(or_default(memory, default.max_memory)?))
        };
        Ok(Self(limits()))
    }
}

impl Limits {
    pub(crate) fn limits(&self) -> Result<DecompressionLimits, Failure> {
        self.0
    }
}

fn or_default<'a, T: Decoder<'a>>(term: Term<'a>, default: T) -> Result<T, Failure> {
    if is_nil(term) { Ok(default) } else { term.decode().map_err(|_| Failure::ARGUMENT) }
}

/// Returns the name of the codec whose magic bytes `data` begins with.
#[rustler::nif]
fn detect(data: Binary<'_>) -> Result<Atom, Failure> {
    let codec = Codec::detect(data.as_slice()).ok_or(CompressionError::UnknownFormat)?;
    Ok(atom_of(codec))
}

#[rustler::nif]
fn compress_normal(
    env: Env<'_>,
    codec: CodecName,
    data: Binary<'_>,
    level: Level,
) -> Result<Bytes<Vec<u8>>, Failure> {
    let compressed = compress(&codec, data, &level);
    account(env, data.len(), BYTES_PER_PERCENT);
    compressed
}

#[rustler::nif(schedule = "DirtyCpu")]
fn compress_dirty(codec: CodecName, data: Binary<'_>, level: Level) -> Result<Bytes<Vec<u8>>, Failure> {
    compress(&codec, data, &level)
}

fn compress(codec: &CodecName, data: Binary<'_>, level: &Level) -> Result<Bytes<Vec<u8>>, Failure> {
    Ok(Bytes(chunker::compression::compress(codec.codec()?, data.as_slice(), level.0)?))
}

type Compressed = Result<Bytes<Vec<u8>>, Failure>;

/// Returns every item compressed, or why it is not; one that fails does not stop the others.
#[rustler::nif(schedule = "DirtyCpu")]
fn compress_batch_dirty(
    items: Items<'_>,
    codec: CodecName,
    level: Level,
    threads: usize,
) -> Result<Vec<Compressed>, Failure> {
    let codec = codec.codec()?;
    let compress = |data: &Option<&[u8]>| {
        let data = data.ok_or(Failure::ARGUMENT)?;
        Ok(Bytes(chunker::compression::compress(codec, data, level.0)?))
    };
    Ok(pool::map(&items.binaries(), threads, compress))
}

/// Returns `data` decompressed, within limits that must be small enough for one call.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompress_dirty(codec: CodecName, data: Binary<'_>, limits: Limits) -> Result<Bytes<Vec<u8>>, Failure> {
    Ok(Bytes(chunker::compression::decompress(codec.codec()?, data.as_slice(), limits.limits()?)?))
}
