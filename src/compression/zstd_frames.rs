//! zstd frames from one slice into one buffer, with a context that may be used again.

use super::{Codec, CompressionError, DecompressionLimits};
use alloc::vec::Vec;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_frame_content_size};

/// The least that the output grows by.
const GROWTH: usize = 128 * 1024;
/// A frame may claim any length; it is believed up to this many times the length of its data.
const BELIEVED: usize = 256;

/// Appends the content of the frames in `data` to `output`, which on an error holds a part of it.
pub(super) fn decompress(
    context: &mut DCtx<'_>,
    data: &[u8],
    limits: DecompressionLimits,
    output: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let from_code = CompressionError::from_zstd_code;
    context.reset(ResetDirective::SessionOnly).map_err(from_code)?;
    context.set_parameter(DParameter::WindowLogMax(limits.zstd_window_log)).map_err(from_code)?;
    if data.is_empty() {
        return Err(CompressionError::Truncated { codec: Codec::Zstd });
    }
    let start = output.len();
    let claimed = get_frame_content_size(data).ok().flatten().and_then(|length| usize::try_from(length).ok());
    let mut growth = claimed.unwrap_or(0).min(data.len().saturating_mul(BELIEVED)).max(GROWTH);
    let mut input = InBuffer::around(data);
    loop {
        if output.len() == output.capacity() {
            let left = limits.output.saturating_sub((output.len() - start) as u64).saturating_add(1);
            output.reserve_exact(usize::try_from(left).map_or(growth, |left| left.min(growth)));
            growth = output.len().max(GROWTH);
        }
        let position = output.len();
        let mut space = OutBuffer::around_pos(output, position);
        let missing = context.decompress_stream(&mut space, &mut input).map_err(from_code)?;
        if (output.len() - start) as u64 > limits.output {
            return Err(CompressionError::SizeExceeded { limit: limits.output });
        }
        if input.pos() == data.len() {
            if missing == 0 {
                return Ok(());
            }
            if output.len() < output.capacity() {
                return Err(CompressionError::Truncated { codec: Codec::Zstd });
            }
        }
    }
}
