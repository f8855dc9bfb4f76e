//! What both filters give, for how many bytes at a time.

/// Bytes whose positions share one bit of a filter.
pub(super) const GROUP: usize = 8;
/// Bytes whose groups fill the 16 lanes of a register.
pub(super) const BLOCK: usize = 16 * GROUP;
/// Blocks that are worked on together, so that their chains of additions overlap.
pub(super) const BLOCKS: usize = 4;
pub(super) const BATCH: usize = BLOCKS * BLOCK;

/// What a filter remembers of the bytes before.
pub(super) trait Filter {
    /// Where the words of a batch are written.
    type Space;
    /// The words of a batch.
    type Words<'a>: Copy;

    /// Returns space that nothing was written to yet.
    fn space() -> Self::Space;

    /// Returns the words of the bytes of `batch`.
    fn look_up<'a>(&self, batch: &[u8; BATCH], space: &'a mut Self::Space) -> Self::Words<'a>;

    /// Returns a bit for each group of the batch with these words that may meet the mask; none is
    /// missing.
    fn candidates(&mut self, words: Self::Words<'_>) -> u64;

    /// Returns the hash modulo 2^48 before a group of the last batch, which comes after the bytes
    /// `before`, counted from where the filter began.
    fn hash_before(&self, group: usize, before: &[u8]) -> u64;
}
