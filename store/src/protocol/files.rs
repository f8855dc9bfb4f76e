//! Files: read whole or in part, listed, and deleted.

use super::answer::{Answer, AnswerBody, Refusal};
use super::chunks::begun;
use super::exchange::{Reader, stored, unchanged};
use super::json::{self, Json};
use super::manifests;
use super::media::Presentation;
use super::range::{Conditions, Part};
use super::reading::pieces;
use crate::chunk::Root;
use crate::error::StoreError;
use crate::files::FileEntry;
use crate::host::start_task;
use crate::objects::Folder;
use crate::read::{Cut, cuts, read_cuts};
use crate::store::Store;
use futures::TryStreamExt as _;
use std::sync::Arc;

/// Answers with a file, or a part of it.
pub(super) async fn read(
    reader: &Reader<'_>,
    root: Root,
    conditions: &Conditions,
    presentation: &Presentation,
) -> Result<Answer, Refusal> {
    let inner = &reader.store.inner;
    let size = manifests::size(inner, root).await?.ok_or_else(|| Refusal::root_not_found(root))?;
    let tag = format!("\"{root}\"");
    let presented = |answer: Answer| {
        let answer = stored(answer, tag.clone()).with("Accept-Ranges", "bytes");
        let answer = answer.with("Content-Type", presentation.content_type());
        match presentation.disposition() {
            Some(disposition) => answer.with("Content-Disposition", disposition),
            None => answer,
        }
    };
    if conditions.has(&tag) {
        return Ok(unchanged(tag));
    }
    let recent = reader.shared.recent.get(inner.format.id, root);
    let total = match &recent {
        Some(manifest) => manifest.total_length(),
        None => inner.file_length(root, size).await?.ok_or_else(|| Refusal::root_not_found(root))?,
    };
    let (part, status) = match Part::of(conditions, total, &tag) {
        Part::Whole => (0..total, 200),
        Part::Range(_) if reader.head_only => (0..total, 200), // HEAD ignores ranges
        Part::Range(range) => (range, 206),
        Part::Unsatisfiable if reader.head_only => (0..total, 200),
        Part::Unsatisfiable => {
            let refusal = Refusal::new(
                416,
                "range_not_satisfiable",
                format!("the range starts past the file's {total} bytes"),
            );
            return Err(refusal.with_header("Content-Range", format!("bytes */{total}")));
        }
    };
    let length = part.end - part.start;
    // That a file is empty is not verified either, unless its manifest was read.
    let body = if reader.head_only || (length == 0 && recent.is_some()) {
        AnswerBody::Empty
    } else {
        let kept = 2 * share(size, length, total);
        let memory = reader.shared.budget.take_listed(kept).await?;
        let manifest = match recent {
            Some(manifest) => manifest,
            None => {
                let _reading = reader.shared.budget.take(4 * size).await?;
                let manifest = inner.read_manifest(&root).await?;
                let manifest = Arc::new(manifest.ok_or_else(|| Refusal::root_not_found(root))?);
                // What the head said is not verified: it may have been damaged, and the file stored again since.
                if manifest.total_length() != total {
                    return Err(StoreError::ManifestDigest { name: Folder::Manifests.object(root) }.into());
                }
                reader.shared.recent.keep(inner.format.id, root, Arc::clone(&manifest));
                manifest
            }
        };
        let (inner, cuts) = (Arc::clone(inner), cuts(&manifest, &part));
        let lengths = cuts.iter().map(Cut::length).collect();
        let read =
            move |chunks, ahead| read_cuts(Arc::clone(&inner), cuts.get(chunks).unwrap_or_default(), ahead);
        let pieces = pieces(reader, lengths, read);
        begun(pieces, memory, 1).await?
    };
    let answer = presented(Answer::streamed(status, length, body));
    Ok(if status == 206 {
        let range = format!("bytes {}-{}/{total}", part.start, part.end - 1);
        answer.with("Content-Range", range)
    } else {
        answer
    })
}

/// Returns the part of a manifest's `size` that lists `length` bytes of `total`.
fn share(size: u64, length: u64, total: u64) -> u64 {
    let share = u128::from(size) * u128::from(length) / u128::from(total.max(1));
    u64::try_from(share).unwrap_or(size)
}

/// Deletes a file.
pub(super) async fn delete(store: &Store, root: Root) -> Result<Answer, Refusal> {
    let deleting = store.clone();
    // A task of its own: the client may disconnect halfway.
    let deleted = start_task(&store.inner.host, async move { deleting.delete(&root).await }).await;
    if deleted.map_err(StoreError::from)?? {
        Ok(Answer::new(204, AnswerBody::Empty))
    } else {
        Err(Refusal::root_not_found(root))
    }
}

/// Answers with a part of the list of files.
pub(super) async fn list(store: &Store, after: Option<Root>, limit: usize) -> Result<Answer, Refusal> {
    let files = store.files_after(after, limit + 1).await?;
    let mut files: Vec<FileEntry> = files.try_collect().await?;
    let more = files.len() > limit;
    files.truncate(limit);
    let entries = files.iter().map(|FileEntry { root, length, committed }| {
        let json = Json::default().with_text("root", root);
        let json = match length {
            Some(length) => json.with("length", length),
            None => json.with("length", "null"),
        };
        json.with_text("committed", json::time(*committed)).finish()
    });
    let json = Json::default().with("files", json::array(entries));
    let json = match files.last().filter(|_| more) {
        Some(last) => json.with_text("next", last.root),
        None => json.with("next", "null"),
    };
    Ok(Answer::json(200, json.finish()))
}

/// Answers with how much is stored.
pub(super) async fn usage(store: &Store) -> Result<Answer, Refusal> {
    let usage = store.usage().await?;
    let json = Json::default()
        .with("files", usage.files)
        .with("packs", usage.packs)
        .with("doomedPacks", usage.doomed_packs)
        .with("chunks", usage.chunks)
        .with("bytes", usage.bytes);
    Ok(Answer::json(200, json.finish()))
}
