//! Codecs for data in pieces, or in slices of data that would occupy a dirty scheduler for too long.

use crate::compression::{CodecName, Dictionary, Level, Limits, atom_of, codec_of, dictionary_of};
use crate::failure::Failure;
use crate::handle::Handle;
use crate::options::is_nil;
use crate::terms::Bytes;
use chunker::compression::{
    Codec, CompressionError, DecompressionLimits, Encoder, PushDecoder, decompress_up_to, dictionary,
};
use rustler::{Atom, Binary, Env, LocalPid, Monitor, Resource, ResourceArc, Term};
use std::collections::VecDeque;
use std::io::Write as _;

/// A compression that has seen some slices.
struct CompressorResource(Handle<Compression>);

struct Compression {
    codec: Codec,
    encoder: Encoder<Vec<u8>>,
}

#[rustler::resource_impl]
impl Resource for CompressorResource {
    fn down<'a>(&'a self, _: Env<'a>, _: LocalPid, _: Monitor) {
        self.0.orphan();
    }
}

/// Returns a compressor that has seen no data, and that the calling process owns.
#[rustler::nif(schedule = "DirtyCpu")]
fn compressor_open_dirty(
    env: Env<'_>,
    codec: CodecName,
    level: Level,
    dictionary: Dictionary<'_>,
) -> Result<ResourceArc<CompressorResource>, Failure> {
    let codec = codec.codec()?;
    let encoder = match dictionary_of(dictionary.bytes()?, codec)? {
        Some(dictionary) => Encoder::with_dictionary(dictionary, level.0, Vec::new())?,
        None => Encoder::new(codec, level.0, Vec::new())?,
    };
    let resource = ResourceArc::new(CompressorResource(Handle::new(Compression { codec, encoder })));
    // A process that runs this call is alive, or its end drops the resource.
    let _ = resource.monitor(Some(env), &env.pid());
    Ok(resource)
}

/// Appends a slice of the data and returns what was compressed since the last call; `more` says that other
/// slices of the same piece follow.
#[rustler::nif(schedule = "DirtyCpu")]
fn compressor_feed_dirty(
    env: Env<'_>,
    compressor: ResourceArc<CompressorResource>,
    slice: Binary<'_>,
    more: bool,
) -> Result<Bytes<Vec<u8>>, Failure> {
    compressor.0.with(env, more, |Compression { codec, encoder }| {
        let failed = |source| CompressionError::Failed { codec: *codec, source };
        encoder.write_all(slice.as_slice()).map_err(failed)?;
        Ok(Bytes(std::mem::take(encoder.get_mut())))
    })
}

/// Ends the data, returns the rest of it compressed, and closes the compressor.
#[rustler::nif(schedule = "DirtyCpu")]
fn compressor_finish_dirty(
    env: Env<'_>,
    compressor: ResourceArc<CompressorResource>,
) -> Result<Bytes<Vec<u8>>, Failure> {
    Ok(Bytes(compressor.0.take(env)?.encoder.finish()?))
}

/// Closes the compressor and frees what it holds.
#[rustler::nif]
fn compressor_close(env: Env<'_>, compressor: ResourceArc<CompressorResource>) -> Result<Atom, Failure> {
    compressor.0.take(env).map(|_| rustler::types::atom::ok())
}

/// A decompression in progress.
struct DecompressorResource(Handle<Decompression>);

type Decompressor = ResourceArc<DecompressorResource>;

#[rustler::resource_impl]
impl Resource for DecompressorResource {
    fn down<'a>(&'a self, _: Env<'a>, _: LocalPid, _: Monitor) {
        self.0.orphan();
    }
}

/// A decoder, and the slices that it has not seen yet.
struct Decompression {
    /// None until the codec is known.
    decoder: Option<(Codec, PushDecoder)>,
    /// Arguments of the decoder, for when the first bytes of the data show the codec.
    limits: DecompressionLimits,
    dictionary: Option<Vec<u8>>,
    /// The first bytes, while they are too few to show the codec.
    head: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
    /// Whether the last slice has come.
    ended: bool,
}

/// Longer than the magic number of any codec, in bytes.
const HEAD: usize = 16;

impl Decompression {
    fn new(limits: DecompressionLimits, dictionary: Option<&[u8]>) -> Self {
        Self {
            decoder: None,
            limits,
            dictionary: dictionary.map(<[u8]>::to_vec),
            head: Vec::new(),
            waiting: VecDeque::new(),
            ended: false,
        }
    }

    fn decode_by(&mut self, codec: Codec) -> Result<(), Failure> {
        let dictionary = self.dictionary.take();
        let decoder = match dictionary_of(dictionary.as_deref(), codec)? {
            Some(dictionary) => PushDecoder::with_dictionary(dictionary, self.limits)?,
            None => PushDecoder::new(codec, self.limits)?,
        };
        self.decoder = Some((codec, decoder));
        Ok(())
    }

    fn codec(&self) -> Option<Atom> {
        self.decoder.as_ref().map(|(codec, _)| atom_of(*codec))
    }

    /// Passes a slice to the decoder.
    fn push(&mut self, slice: &[u8]) -> Result<(), Failure> {
        if let Some((_, decoder)) = &mut self.decoder {
            return Ok(decoder.push(slice)?);
        }
        self.head.extend_from_slice(slice);
        match Codec::detect(&self.head) {
            Some(codec) => {
                self.decode_by(codec)?;
                let head = std::mem::take(&mut self.head);
                self.push(&head)
            }
            None if self.head.len() < HEAD => Ok(()),
            None => Err(CompressionError::UnknownFormat.into()),
        }
    }

    /// Returns the next bytes, at most `most`, and whether there are more without another slice. Gives at
    /// most one of the slices that wait to the decoder: a frame without content takes its time too.
    fn read(&mut self, most: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut block = Vec::new();
        self.fill(&mut block, most)?;
        if block.len() < most
            && let Some(slice) = self.waiting.pop_front()
        {
            self.push(&slice)?;
            self.fill(&mut block, most)?;
        }
        if block.len() < most && self.waiting.is_empty() && self.ended {
            let (_, decoder) = self.decoder.as_mut().ok_or(CompressionError::UnknownFormat)?;
            decoder.finish();
            self.fill(&mut block, most)?;
        }
        let more = block.len() == most || !self.waiting.is_empty();
        Ok((block, more))
    }

    /// Appends the decoder's output to `block`, until that has `most` bytes.
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<(), CompressionError> {
        let Some((_, decoder)) = &mut self.decoder else { return Ok(()) };
        let mut length = block.len();
        while length < most {
            if length == block.len() {
                block.resize((2 * length).clamp(most.min(FIRST_OUTPUT), most), 0);
            }
            match decoder.read(&mut block[length..])? {
                0 => break,
                read => length += read,
            }
        }
        block.truncate(length);
        Ok(())
    }
}

/// Returns a decompressor that has seen no data, and that the calling process owns; `nil` stands for the codec
/// that the data's first bytes name.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompressor_open_dirty(
    env: Env<'_>,
    codec: Term<'_>,
    limits: Limits,
    dictionary: Dictionary<'_>,
) -> Result<Decompressor, Failure> {
    let mut decompression = Decompression::new(limits.limits()?, dictionary.bytes()?);
    if !is_nil(codec) {
        decompression.decode_by(codec_of(codec)?)?;
    }
    Ok(owned(env, decompression))
}

fn owned(env: Env<'_>, decompression: Decompression) -> Decompressor {
    let resource = ResourceArc::new(DecompressorResource(Handle::new(decompression)));
    // As for the compressor.
    let _ = resource.monitor(Some(env), &env.pid());
    resource
}

/// Returns the content of `data` if it has at most `most` bytes, else a decompressor that gives it, and maybe
/// its first bytes.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompress_dirty(
    env: Env<'_>,
    codec: CodecName,
    data: Binary<'_>,
    limits: Limits,
    dictionary: Dictionary<'_>,
    most: usize,
) -> Result<(Bytes<Vec<u8>>, Option<Decompressor>), Failure> {
    let (codec, limits) = (codec.codec()?, limits.limits()?);
    let dictionary = dictionary_of(dictionary.bytes()?, codec)?;
    let whole = match dictionary {
        None => decompress_up_to(codec, data.as_slice(), limits, most as u64)?,
        Some(dictionary) if limits.max_output <= most as u64 => {
            Some(dictionary::decompress(dictionary, data.as_slice(), limits)?)
        }
        Some(_) => None,
    };
    if let Some(content) = whole {
        return Ok((Bytes(content), None));
    }
    let mut decompression = Decompression::new(limits, dictionary);
    decompression.decode_by(codec)?;
    decompression.push(data.as_slice())?;
    decompression.ended = true;
    // Without a dictionary, as much has already been decompressed in vain.
    let most = if dictionary.is_some() { most } else { 0 };
    let (block, more) = decompression.read(most)?;
    Ok((Bytes(block), more.then(|| owned(env, decompression))))
}

/// Takes a slice of the compressed data, which waits until it is read; `more` says that other slices of the
/// same piece follow. Returns the name of the codec, once it is known.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompressor_feed_dirty(
    env: Env<'_>,
    decompressor: Decompressor,
    slice: Binary<'_>,
    more: bool,
) -> Result<Option<Atom>, Failure> {
    decompressor.0.with(env, more, |decompression| {
        if decompression.ended {
            return Err(CompressionError::Ended.into());
        }
        if !slice.is_empty() {
            decompression.waiting.push_back(slice.to_vec());
        }
        Ok(decompression.codec())
    })
}

/// Ends the data. Returns the name of the codec, if it is known.
#[rustler::nif]
fn decompressor_end(env: Env<'_>, decompressor: Decompressor) -> Result<Option<Atom>, Failure> {
    decompressor.0.with(env, false, |decompression| {
        decompression.ended = true;
        Ok(decompression.codec())
    })
}

/// Bytes to allocate before anything is known about the output.
const FIRST_OUTPUT: usize = 64 << 10;

/// Returns the next bytes, at most `most`, and whether there are more without another slice.
#[rustler::nif(schedule = "DirtyCpu")]
fn decompressor_read_dirty(
    env: Env<'_>,
    decompressor: Decompressor,
    most: usize,
) -> Result<(Bytes<Vec<u8>>, bool), Failure> {
    decompressor.0.with(env, false, |decompression| {
        let (block, more) = decompression.read(most)?;
        Ok((Bytes(block), more))
    })
}

/// Closes the decompressor and frees what it holds.
#[rustler::nif]
fn decompressor_close(env: Env<'_>, decompressor: Decompressor) -> Result<Atom, Failure> {
    decompressor.0.take(env).map(|_| rustler::types::atom::ok())
}
