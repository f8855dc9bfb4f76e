//! Packs: many chunks in one immutable object.

mod builder;
pub(crate) mod encoding;
pub mod format;
mod writer;

pub(crate) use writer::write_chunks;
pub use writer::{PackWriter, Sealed};
