//! What this process knows about the store: its packs, their chunks, and which packs are doomed.

mod cache;
mod snapshot;
mod view;

pub(crate) use cache::{CACHE_PATIENCE, Cache};
pub(crate) use snapshot::{Damaged, Snapshot};
pub(crate) use view::{Copy, Standing, View};
