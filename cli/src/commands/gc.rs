//! `chunker gc`: deletes chunks that no file needs.

use crate::args::{Gc, Global};
use crate::failure::{Failure, warn};
use crate::output::{count, size};
use crate::session::Session;
use chunker_store::CollectOptions;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Collected {
    files: u64,
    packs: u64,
    bytes: u64,
    live_bytes: u64,
    doomed_packs: u64,
    deleted_packs: u64,
    deleted_bytes: u64,
    copied_chunks: u64,
    copied_bytes: u64,
    kept_packs: Vec<String>,
    expired_commits: u64,
    removed_temporaries: u64,
}

pub(crate) fn run(global: &Global, options: &Gc) -> Result<(), Failure> {
    let session = Session::open_existing(global)?;
    let collect =
        CollectOptions::new().min_age(options.min_age).max_waste(options.max_waste).dry_run(options.dry_run);
    let report = session.with_steps(|step| session.store.collect(collect.progress(step)))?;
    let collected = Collected {
        files: report.files,
        packs: report.packs,
        bytes: report.bytes,
        live_bytes: report.live_bytes,
        doomed_packs: report.doomed_packs,
        deleted_packs: report.deleted_packs,
        deleted_bytes: report.deleted_bytes,
        copied_chunks: report.copied_chunks,
        copied_bytes: report.copied_bytes,
        kept_packs: report.kept_packs.iter().map(ToString::to_string).collect(),
        expired_commits: report.expired_commits,
        removed_temporaries: report.removed_temporaries,
    };
    let needed = format!(
        "{} of {} needed by {}",
        size(report.live_bytes),
        size(report.bytes),
        count(report.files, "file")
    );
    let done = if options.dry_run {
        format!("{} would be rewritten or deleted", count(report.doomed_packs, "pack"))
    } else {
        let freed = report.deleted_bytes.saturating_sub(report.copied_bytes);
        format!("{} deleted, {} freed", count(report.deleted_packs, "pack"), size(freed))
    };
    session.output.print_aside(&collected, format_args!("{needed}; {done}"))?;
    if !global.json {
        for pack in &collected.kept_packs {
            warn(format_args!(
                "kept the damaged pack {pack}: it may have the only copy of chunks that files need"
            ));
        }
    }
    Ok(())
}
