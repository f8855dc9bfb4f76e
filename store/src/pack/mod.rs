//! Packs: many chunks in one immutable object.

mod builder;
mod draft;
pub(crate) mod encoding;
pub mod format;
mod writer;

pub(crate) use draft::PackDraft;
pub use writer::{PackWriter, Sealed};
