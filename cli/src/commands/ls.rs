//! `chunker ls`: the files of a store.

use crate::args::{Global, Ls};
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{size, time};
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
    let mut files = files(&session)?;
    files.sort_by_key(|file| (file.committed, file.root));
    for file in files {
        interrupt::check()?;
        let listed = Listed { root: file.root.to_string(), size: file.length, stored: time(file.committed) };
        if global.quiet {
            session.output.print(&listed, &listed.root)?;
            continue;
        }
        let length = file.length.map_or_else(|| "damaged".to_owned(), size);
        session.output.print(&listed, format_args!("{}  {length:>10}  {}", listed.root, listed.stored))?;
    }
    Ok(())
}

/// Returns all files of a store.
pub(crate) fn files(session: &Session) -> Result<Vec<FileEntry>, Failure> {
    session.wait(async {
        let mut entries = session.store.manifests().await?;
        let mut files = Vec::new();
        while let Some(file) = entries.try_next().await? {
            interrupt::check()?;
            files.push(file);
        }
        Ok(files)
    })
}
