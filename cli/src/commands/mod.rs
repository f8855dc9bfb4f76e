//! The commands, one in each module.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod cuts;
pub(crate) mod dedup;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod put;
pub(crate) mod rm;
pub(crate) mod serve;
pub(crate) mod stats;
