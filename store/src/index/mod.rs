//! What this process knows of the store: its packs, what is in them, and which of them are doomed.

mod cache;
mod snapshot;
mod view;

pub(crate) use cache::{CACHE_PATIENCE, Cache};
pub(crate) use snapshot::{Damaged, Snapshot};
pub(crate) use view::{Copy, Standing, View};
