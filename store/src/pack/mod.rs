//! Packs: many chunks in one immutable object.

pub(crate) mod encoding;
pub mod format;
mod writer;

pub use writer::{PackWriter, Sealed};
