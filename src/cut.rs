//! Cut points: where one chunk ends and the next begins.
//!
//! FastCDC v2020 with normalized chunking (Xia et al., "The Design of Fast Content-Defined Chunking
//! for Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020): skip `min_size` bytes,
//! test the gear hash against the strict mask until `avg_size`, then against the loose mask, and cut
//! at `max_size` at the latest. The byte that meets the mask starts the next chunk.

use crate::gear::{Masks, Seeded};
use crate::options::ChunkingOptions;
use crate::profile::Profile;
use crate::scan::Scanner;

/// Finds the cut points of one input that arrives in pieces of any size.
///
/// Keeps no buffer and reads every byte once: each piece continues from the hash that the last one
/// left. The cut points do not depend on how the input is split.
///
/// ```
/// use chunker::{CutFinder, Profile};
///
/// let mut finder = CutFinder::new(Profile::new(64, 256, 1024)?);
/// let mut cuts = Vec::new();
/// for mut piece in [&[7u8; 1500][..], &[7u8; 600]] {
///     while let Some(cut) = finder.next_cut(&mut piece) {
///         cuts.push(cut);
///     }
/// }
/// cuts.extend(finder.finish());
/// assert_eq!(cuts, [1024, 2048, 2100]);
/// # Ok::<(), chunker::chunking::OptionsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CutFinder {
    options: ChunkingOptions,
    masks: Masks,
    /// `None` without a seed.
    gear: Option<Seeded>,
    scanner: Scanner,
    /// Offset of the current chunk in the input.
    start: u64,
    /// Bytes of the current chunk read so far.
    length: usize,
    hash: u64,
    /// The last byte read met the mask at an even index: it begins the next chunk if the input goes
    /// on. FastCDC v2020 tests bytes in pairs, so the last byte of an odd tail is never a cut.
    held: bool,
    /// The last chunk ended within [`NEAR`] bytes of `min_size`, as chunks of runs do.
    near: bool,
}

/// Bytes that a SIMD kernel needs to make good its set-up. They are left to the portable one while
/// chunks end within them.
const NEAR: usize = 256;

impl CutFinder {
    /// Returns a finder at the start of an input.
    #[must_use]
    pub fn new(profile: impl Into<Profile>) -> Self {
        Self::resume_at(profile, 0)
    }

    /// Returns a finder for the rest of an input that was cut at `offset`, in bytes.
    ///
    /// Chunking starts afresh at every cut point, so these are the cut points of the whole input. Offsets are
    /// computed modulo 2^64.
    #[must_use]
    pub fn resume_at(profile: impl Into<Profile>, offset: u64) -> Self {
        let profile = profile.into();
        Self {
            options: profile.options(),
            masks: profile.masks(),
            gear: (profile.gear_seed() != 0).then(|| Seeded::new(profile.gear_seed())),
            scanner: Scanner::detect(),
            start: offset,
            length: 0,
            hash: 0,
            held: false,
            near: false,
        }
    }

    /// Returns this finder with another scan kernel. All kernels find the same cut points.
    #[doc(hidden)] // kernels are chosen by benchmarks and tests only
    #[must_use]
    pub fn with_scanner(self, scanner: Scanner) -> Self {
        Self { scanner, ..self }
    }

    /// Returns the offset of the last cut, where the current chunk begins.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.start
    }

    /// Returns the offset of the next cut in the whole input, and advances `piece` past the bytes
    /// read; `None` when `piece` is used up without another cut.
    ///
    /// The cut can be one byte before `piece`, because a cut there is known only once another byte follows.
    pub fn next_cut(&mut self, piece: &mut &[u8]) -> Option<u64> {
        if self.held && !piece.is_empty() {
            self.held = false;
            return Some(self.cut(self.length - 1, 1));
        }
        while !piece.is_empty() {
            if self.length < self.options.min_size() {
                let skipped = piece.len().min(self.options.min_size() - self.length);
                self.advance(piece, skipped);
            } else if let Some(cut) = self.scan_zone(piece) {
                return Some(cut);
            }
            if self.length == self.options.max_size() {
                return Some(self.cut(self.length, 0));
            }
        }
        None
    }

    /// Returns the offset of the end of the input, unless it was already returned as a cut.
    #[must_use]
    pub fn finish(self) -> Option<u64> {
        (self.length > 0).then(|| self.start.wrapping_add(self.length as u64))
    }

    /// Scans up to the end of the zone of one mask, which is even like every size.
    fn scan_zone(&mut self, piece: &mut &[u8]) -> Option<u64> {
        let (mut end, mask) = if self.length < self.options.avg_size() {
            (self.options.avg_size(), self.masks.strict)
        } else {
            (self.options.max_size(), self.masks.loose)
        };
        let mut scanner = self.scanner;
        if self.near && scanner != Scanner::PORTABLE && self.length < self.options.min_size() + NEAR {
            scanner = Scanner::PORTABLE;
            end = end.min(self.options.min_size() + NEAR);
        }
        let zone = &piece[..piece.len().min(end - self.length)];
        let found = match &self.gear {
            None => scanner.scan(&mut self.hash, zone, mask),
            Some(gear) => scanner.scan_with(gear, &mut self.hash, zone, mask),
        };
        let Some(index) = found else {
            self.advance(piece, zone.len());
            return None;
        };
        let cut = self.length + index;
        if cut.is_multiple_of(2) && index + 1 == piece.len() {
            self.held = true;
            self.advance(piece, index + 1);
            return None;
        }
        self.advance(piece, index);
        Some(self.cut(cut, 0))
    }

    fn advance(&mut self, piece: &mut &[u8], bytes: usize) {
        *piece = &piece[bytes..];
        self.length += bytes;
    }

    /// Ends the current chunk at `length`, `carried` bytes before what was read.
    fn cut(&mut self, length: usize, carried: usize) -> u64 {
        self.start = self.start.wrapping_add(length as u64);
        self.near = length < self.options.min_size() + NEAR;
        self.length = carried;
        self.hash = 0;
        self.start
    }
}

/// Returns the cut points of `input`: the end of each chunk, the last being `input.len()`.
///
/// ```
/// use chunker::{Profile, cut_points};
///
/// let profile = Profile::new(64, 256, 1024)?;
/// assert!(cut_points(&[0; 2100], profile).eq([1024, 2048, 2100]));
/// # Ok::<(), chunker::chunking::OptionsError>(())
/// ```
pub fn cut_points(input: &[u8], profile: impl Into<Profile>) -> CutPoints<'_> {
    CutPoints { finder: Some(CutFinder::new(profile)), rest: input, end: input.len() }
}

/// Iterator over the cut points of a slice, from [`cut_points`].
#[derive(Clone, Debug)]
pub struct CutPoints<'a> {
    finder: Option<CutFinder>,
    rest: &'a [u8],
    end: usize,
}

impl Iterator for CutPoints<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let finder = self.finder.as_mut()?;
        if finder.next_cut(&mut self.rest).is_some() {
            return Some(self.end - self.rest.len());
        }
        self.finder.take()?.finish().map(|_| self.end)
    }

    /// Between one cut for each `max_size` bytes and one for each `min_size` bytes of what is left.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let Some(finder) = &self.finder else { return (0, Some(0)) };
        let left = self.rest.len() + finder.length;
        (left.div_ceil(finder.options.max_size()), Some(left.div_ceil(finder.options.min_size())))
    }
}

impl core::iter::FusedIterator for CutPoints<'_> {}
