//! Packs: many chunks in one immutable object.

pub(crate) mod encoding;
pub mod format;
mod writer;

pub(crate) use writer::write_chunks;
pub use writer::{PackWriter, Sealed};
