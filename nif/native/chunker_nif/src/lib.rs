//! The BEAM's face of `chunker`, wrapped by the Elixir modules of the Hex package.
//!
//! Converts and dispatches, nothing else: defaults, ranges and algorithms are the core's. Errors are
//! atoms: the core's codes, and those of [`failure`]. Arguments of a wrong type raise `ArgumentError`.
//!
//! `Chunker.Native` has a stub of each function. What may run on a normal scheduler has two names:
//! `…_normal`, which accounts for its time, and `…_dirty`; [`terms::twins`] makes both, and
//! `Chunker.Scheduling` chooses by size. All else runs on a dirty scheduler or is done at once.
//!
//! A store waits for disks and networks, so no scheduler waits for it: what [`store`] and [`exchanges`] do is done on
//! threads of their own, and a message brings the result ([`work`]).

#![allow(unsafe_code)] // only what rustler's macros expand to: the tables that the VM reads

mod chunker;
mod chunks;
mod compression;
mod exchanges;
mod failure;
mod handle;
mod hashing;
mod log;
mod manifest;
mod metrics;
mod nix;
mod options;
mod pool;
mod references;
mod signing;
mod store;
mod streams;
mod terms;
mod training;
mod work;

/// Makes every thread count for itself: until metrics have a recorder, even one that drops all, values
/// of histograms are kept for it, behind a lock.
fn load(_: rustler::Env<'_>, _: rustler::Term<'_>) -> bool {
    ::chunker::metrics_utils::init_metrics();
    true
}

rustler::init!("Elixir.Chunker.Native", load = load);
