//! The NIFs of `chunker`, wrapped by the Elixir modules of the Hex package.
//!
//! They only convert and dispatch; defaults, ranges and algorithms are in the core. Errors are atoms: the
//! core's codes, and those of [`failure`]. Arguments of a wrong type raise `ArgumentError`.
//!
//! `Chunker.Native` has a stub for each function. A function that may run on a normal scheduler has two names:
//! `…_normal`, which accounts for its time, and `…_dirty`; [`terms::twins`] defines both, and
//! `Chunker.Scheduling` chooses by size. All others run on a dirty scheduler or return at once.
//!
//! A store waits for disks and networks, which no scheduler may do: [`store`] and [`exchanges`] work on
//! separate threads, and send the result as a message ([`work`]).

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

/// Connects the core's metrics to a recorder: with none installed, to the default one, which drops everything. Until
/// then, all threads share one lock for the core's histograms.
fn load(_: rustler::Env<'_>, _: rustler::Term<'_>) -> bool {
    ::chunker::metrics_utils::init_metrics();
    true
}

rustler::init!("Elixir.Chunker.Native", load = load);
