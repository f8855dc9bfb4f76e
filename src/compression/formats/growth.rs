//! How an output buffer grows: by doubling, and never beyond what a limit allows.

use crate::compression::error::CompressionError;
use crate::compression::limits::DecompressionLimits;
use alloc::vec::Vec;

/// The least that an output grows by.
const LEAST: usize = 128 * 1024;

/// The growth of one output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// Length of the output before anything was appended.
    start: usize,
    limit: u64,
    /// Bytes to grow by next.
    step: usize,
}

impl Growth {
    pub(super) fn new(limits: DecompressionLimits, output: &[u8]) -> Self {
        Self { start: output.len(), limit: limits.max_output, step: LEAST }
    }

    /// Makes the first step as long as the output is expected to become.
    pub(super) fn expect(&mut self, length: usize) {
        self.step = self.step.max(length);
    }

    /// Makes space for `length` bytes more.
    ///
    /// # Errors
    /// [`CompressionError::SizeExceeded`] when the limit allows less.
    pub(super) fn reserve(&mut self, output: &mut Vec<u8>, length: usize) -> Result<(), CompressionError> {
        self.check(output.len() + length)?;
        while output.capacity() - output.len() < length {
            self.grow(output);
        }
        Ok(())
    }

    /// Makes space for at least one byte, of which the last may be the one that exceeds the limit, and
    /// returns for how many.
    pub(super) fn space(&mut self, output: &mut Vec<u8>) -> usize {
        if output.len() == output.capacity() {
            self.grow(output);
        }
        output.capacity() - output.len()
    }

    /// # Errors
    /// [`CompressionError::SizeExceeded`] when an output of `length` bytes is longer than allowed.
    pub(super) fn check(&self, length: usize) -> Result<(), CompressionError> {
        if (length - self.start) as u64 > self.limit {
            return Err(CompressionError::SizeExceeded { limit: self.limit });
        }
        Ok(())
    }

    fn grow(&mut self, output: &mut Vec<u8>) {
        let left = self.limit.saturating_sub((output.capacity() - self.start) as u64).saturating_add(1);
        let step = usize::try_from(left).map_or(self.step, |left| left.min(self.step));
        output.reserve_exact(output.capacity() - output.len() + step);
        self.step = output.capacity().max(LEAST);
    }
}
