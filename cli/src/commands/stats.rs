//! `chunker stats`: prints how much a store holds.

use crate::args::{Global, Stats};
use crate::commands::ls::files;
use crate::failure::Failure;
use crate::output::{count, saved, size};
use crate::session::Session;

pub(crate) fn run(global: &Global, Stats {}: &Stats) -> Result<(), Failure> {
    let session = Session::open_existing(global)?;
    let usage = session.wait(session.store.usage())?;
    let total: u64 = files(&session)?.iter().filter_map(|file| file.length).sum();
    let url = session.store.url();
    let json = serde_json::json!({
        "store": url,
        "files": usage.files,
        "size": total,
        "chunks": usage.chunks,
        "packs": usage.packs,
        "doomed_packs": usage.doomed_packs,
        "bytes": usage.bytes,
    });
    let text = format_args!(
        "store  {url}\nfiles  {} of {}\nstored {}, {} in {}\nsaved  {}",
        usage.files,
        size(total),
        size(usage.bytes),
        count(usage.chunks, "chunk"),
        count(usage.packs, "pack"),
        saved(usage.bytes, total)
    );
    session.output.print(&json, text)
}
