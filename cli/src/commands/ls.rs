//! `chunker ls`: lists the files of a store.

use crate::args::{Global, Ls};
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{print_line, size, time};
use crate::session::Session;
use chunker_store::FileEntry;
use futures::TryStreamExt as _;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Listed {
    root: String,
    size: Option<u64>,
    stored: String,
}

pub(crate) fn run(global: &Global, Ls {}: &Ls) -> Result<(), Failure> {
    let session = Session::open_existing(global)?;
    if global.quiet && !global.json {
        return print_roots(&session);
    }
    let mut files = files(&session)?;
    files.sort_by_key(|file| (file.committed, file.root));
    for file in files {
        interrupt::check()?;
        let listed = Listed { root: file.root.to_string(), size: file.length, stored: time(file.committed) };
        let length = file.length.map_or_else(|| "damaged".to_owned(), size);
        session.output.print(&listed, format_args!("{}  {length:>10}  {}", listed.root, listed.stored))?;
    }
    Ok(())
}

/// Prints the roots in the order of their files.
fn print_roots(session: &Session) -> Result<(), Failure> {
    let mut files = session.wait_interruptibly(session.store.roots())??;
    files.sort_by_key(|&(root, committed)| (committed, root));
    for (root, _) in files {
        interrupt::check()?;
        print_line(root)?;
    }
    Ok(())
}

/// Returns all files of a store.
pub(crate) fn files(session: &Session) -> Result<Vec<FileEntry>, Failure> {
    let entries = async { session.store.manifests().await?.try_collect().await };
    Ok(session.wait_interruptibly(entries)??)
}
