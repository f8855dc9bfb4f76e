//! Codecs in one call.

use crate::failure::Failure;
use crate::options::{is_nil, or_default};
use crate::pool;
use crate::terms::{Bytes, Items, account, twins};
use chunker::compression::{
    Adapted, Codec, CompressionError, DecompressionLimits, compress_adaptive, dictionary,
    is_worth_compressing,
};
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
        Ok(Self(codec_of(term)))
    }
}

/// Returns the codec of a name.
pub(crate) fn codec_of(term: Term<'_>) -> Result<Codec, Failure> {
    let name = Atom::from_term(term).map_err(|_| Failure::ARGUMENT)?;
    Codec::ALL.iter().copied().find(|&codec| atom_of(codec) == name).ok_or(Failure::ARGUMENT)
}

impl CodecName {
    pub(crate) fn codec(&self) -> Result<Codec, Failure> {
        self.0
    }
}

/// Returns the atom of a codec. Codecs that the core may add in a minor version have none yet.
pub(crate) fn atom_of(codec: Codec) -> Atom {
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
    /// Anything but a 32-bit integer becomes a level that no codec has.
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

/// A dictionary of zstd; `nil` stands for none.
pub(crate) struct Dictionary<'a>(Result<Option<&'a [u8]>, Failure>);

impl<'a> Decoder<'a> for Dictionary<'a> {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        Ok(Self(if is_nil(term) {
            Ok(None)
        } else {
            Binary::from_term(term).map(|bytes| Some(bytes.as_slice())).map_err(|_| Failure::ARGUMENT)
        }))
    }
}

impl<'a> Dictionary<'a> {
    pub(crate) fn bytes(&self) -> Result<Option<&'a [u8]>, Failure> {
        self.0
    }
}

/// Returns the dictionary, unless the codec does not use one.
pub(crate) fn dictionary_of(dictionary: Option<&[u8]>, codec: Codec) -> Result<Option<&[u8]>, Failure> {
    if dictionary.is_some() && codec != Codec::Zstd { Err(Failure::ARGUMENT) } else { Ok(dictionary) }
}

/// Returns the name of the codec with whose magic bytes `data` starts.
#[rustler::nif]
fn detect(data: Binary<'_>) -> Result<Atom, Failure> {
    let codec = Codec::detect(data.as_slice()).ok_or(CompressionError::UnknownFormat)?;
    Ok(atom_of(codec))
}

type Compressed = Result<Bytes<Vec<u8>>, Failure>;

twins! {
    /// Returns `data` compressed.
    compress_normal, compress_dirty(
        env,
        codec: CodecName,
        data: Binary<'a>,
        level: Level,
        dictionary: Dictionary<'a>
    ) -> Compressed {
        account(env, data.len(), BYTES_PER_PERCENT);
        let codec = codec.codec()?;
        compress(codec, data.as_slice(), &level, dictionary_of(dictionary.bytes()?, codec)?)
    }
}

fn compress(codec: Codec, data: &[u8], level: &Level, dictionary: Option<&[u8]>) -> Compressed {
    Ok(Bytes(match dictionary {
        Some(dictionary) => dictionary::compress(dictionary, data, level.0)?,
        None => chunker::compression::compress(codec, data, level.0)?,
    }))
}

/// Returns every item compressed, or why it is not; one that fails does not stop the others.
#[rustler::nif(schedule = "DirtyCpu")]
fn compress_batch_dirty(
    items: Items<'_>,
    codec: CodecName,
    level: Level,
    dictionary: Dictionary<'_>,
    threads: usize,
) -> Result<Vec<Compressed>, Failure> {
    let codec = codec.codec()?;
    let dictionary = dictionary_of(dictionary.bytes()?, codec)?;
    let compress = |data: &Option<&[u8]>| compress(codec, data.ok_or(Failure::ARGUMENT)?, &level, dictionary);
    Ok(pool::map(&items.binaries(), threads, compress))
}

twins! {
    /// Returns `data` compressed, or nothing if it does not shrink.
    compress_adaptive_normal, compress_adaptive_dirty(
        env,
        codec: CodecName,
        data: Binary<'a>,
        level: Level
    ) -> Result<Option<Bytes<Vec<u8>>>, Failure> {
        account(env, data.len(), BYTES_PER_PERCENT);
        Ok(match compress_adaptive(codec.codec()?, data.as_slice(), level.0)? {
            Adapted::Stored(_) => None,
            Adapted::Compressed(compressed) => Some(Bytes(compressed)),
        })
    }
}

/// Returns whether compressing `data` is likely to pay.
#[rustler::nif(schedule = "DirtyCpu")]
fn is_worth_compressing_dirty(codec: CodecName, data: Binary<'_>) -> Result<bool, Failure> {
    Ok(is_worth_compressing(codec.codec()?, data.as_slice())?)
}
