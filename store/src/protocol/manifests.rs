//! Commits files, and returns their manifests.

use super::answer::{Answer, AnswerBody, AnswerStream, Committed, Refusal};
use super::arriving::missing_of;
use super::collected::Collected;
use super::exchange::{Reader, stored_bytes, unchanged};
use super::json::{self, Json};
use super::range::Conditions;
use super::route::Expected;
use crate::chunk::{ChunkId, Root};
use crate::commit::Commit;
use crate::error::{CommitError, StoreError};
use crate::host::{start_task, start_work, within};
use crate::objects::{Folder, found};
use crate::store::Inner;
use bytes::Bytes;
use chunker::manifest::Manifest;
use futures::stream;
use std::sync::Arc;
use std::time::Duration;

/// Limit for the chunks that a refusal names.
const NAMED: usize = 10_000;
/// How long a commit waits for packs that are arriving.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a manifest that are sent in one piece.
const PIECE: usize = 1 << 20;

/// Returns the memory that a commit takes, in bytes: 36 per chunk for the manifest, and about 240 to find out
/// whether the chunk is stored.
const fn memory(length: u64) -> u64 {
    8 * length
}

/// Commits a file. With `Known` and `Sent`, chunks may be missing. That is common, so finding out must be cheap, and
/// the answer is not an error, which a browser would log to its console.
pub(super) async fn commit(
    reader: &Reader<'_>,
    root: Root,
    expected: Expected,
    manifest: Collected,
    length: u64,
) -> Result<Answer, Refusal> {
    let store = reader.store;
    let inner = Arc::clone(&store.inner);
    let needed = memory(length);
    let taking = reader.shared.budget.take_for_body(needed);
    let (bytes, memory) = manifest.finish(length, taking).await?;
    let prepared = start_work(&inner.host, move || prepare(root, bytes.into())).await;
    let (commit, chunks, length) = prepared.map_err(StoreError::from)??;
    let json = Json::default().with_text("root", root).with("chunks", chunks).with("length", length);
    let committed = |known: bool| {
        let mut answer = Answer::json(if known { 200 } else { 201 }, json.finish());
        answer.committed = Some(Committed { root, length, new: !known });
        answer
    };
    let mut memory = Arc::new(memory);
    if expected == Expected::Known {
        let (store, commit, memory) = (store.clone(), commit.clone(), Arc::clone(&memory));
        let renewing = async move {
            let _memory = memory;
            store.renew(&commit).await
        };
        // If the file is there, this looks its chunks up once; the commit below would do so twice.
        if start_task(&inner.host, renewing).await.map_err(StoreError::from)?? {
            return Ok(committed(true));
        }
    }
    let missing = match expected {
        Expected::Stored => Vec::new(),
        Expected::Known => missing_of(store, &commit.ids()).await?,
        Expected::Sent => {
            let mut missing = None;
            // While this waits for packs, others may need the memory for work.
            if let Some(own) = reader.shared.budget.try_take_for_waiting(needed) {
                memory = Arc::new(own);
                let arrived = Box::pin(reader.shared.arriving.missing_of(store, commit.ids()));
                missing = within(&inner.host, PATIENCE, arrived).await.transpose()?;
            }
            match missing {
                Some(missing) => missing,
                None => missing_of(store, &commit.ids()).await?,
            }
        }
    };
    if !missing.is_empty() {
        let json = Json::default().with("count", missing.len()).with("missing", named(&missing));
        return Ok(Answer::json(202, json.finish()));
    }
    let known = size(&inner, root).await?.is_some();
    let store = store.clone();
    let task = async move {
        let _memory = memory;
        let root = store.commit_prepared(commit).await?;
        store.start_keeping_snapshot();
        Ok(root)
    };
    // A task of its own: the client may disconnect halfway.
    match start_task(&inner.host, task).await.map_err(StoreError::from)? {
        Ok(_) => {}
        Err(CommitError::MissingChunks { chunks }) => return Err(chunks_missing(&chunks)),
        Err(CommitError::Store(StoreError::Chunk(error))) => return Err(Refusal::of_chunk(&error)),
        Err(CommitError::Store(error)) => return Err(error.into()),
    }
    Ok(committed(known))
}

fn chunks_missing(chunks: &[ChunkId]) -> Refusal {
    let refusal =
        Refusal::new(409, "chunks_missing", format!("{} chunks are not in the store", chunks.len()));
    refusal.with_detail("count", chunks.len()).with_detail("missing", named(chunks))
}

/// Returns the digests of the first chunks, as JSON.
fn named(chunks: &[ChunkId]) -> String {
    json::array(chunks.iter().take(NAMED).map(|id| json::text(&hex::encode(id.digest))))
}

/// Returns a commit, the number of its chunks and the length of its file.
fn prepare(root: Root, bytes: Bytes) -> Result<(Commit, usize, u64), Refusal> {
    let manifest = Manifest::parse(&bytes, usize::MAX).map_err(|error| Refusal::of_manifest(&error))?;
    let commit = Commit::new(&manifest, bytes);
    if commit.root != root {
        let message = format!("the root of the manifest is {} (expected {root})", commit.root);
        return Err(Refusal::new(400, "manifest_digest_mismatch", message));
    }
    Ok((commit, manifest.chunks().len(), manifest.total_length()))
}

/// Returns the size of a file's manifest in bytes, if it exists.
pub(super) async fn size(inner: &Inner, root: Root) -> Result<Option<u64>, StoreError> {
    let object = found(inner.objects.head(&Folder::Manifests.object(root)).await)?;
    Ok(object.map(|object| object.size))
}

/// Answers with the canonical bytes of a manifest.
pub(super) async fn read(
    reader: &Reader<'_>,
    root: Root,
    conditions: &Conditions,
) -> Result<Answer, Refusal> {
    let inner = &reader.store.inner;
    let length = size(inner, root).await?.ok_or_else(|| Refusal::root_not_found(root))?;
    let tag = format!("\"{root}\"");
    if conditions.has(&tag) {
        return Ok(unchanged(tag));
    }
    if reader.head_only {
        return Ok(stored_bytes(length, AnswerBody::Empty, tag));
    }
    let memory = reader.shared.budget.take_listed(length.min(inner.options.manifest_limit)).await?;
    let name = Folder::Manifests.object(root);
    let bytes = inner.read_bounded(&name).await?.ok_or_else(|| Refusal::root_not_found(root))?;
    let verified = bytes.clone();
    let digest = start_work(&inner.host, move || root.algorithm().digest(&verified)).await;
    if digest.map_err(StoreError::from)? != root.digest() {
        return Err(StoreError::ManifestDigest { name }.into());
    }
    let length = bytes.len() as u64;
    let body = AnswerBody::Stream(AnswerStream::new(stream::iter(pieces(bytes)), memory));
    Ok(stored_bytes(length, body, tag))
}

/// Returns the pieces in which a manifest is sent.
pub(super) fn pieces(bytes: Bytes) -> impl ExactSizeIterator<Item = Result<Bytes, StoreError>> + Send {
    let starts = (0..bytes.len()).step_by(PIECE);
    starts.map(move |start| Ok(bytes.slice(start..bytes.len().min(start + PIECE))))
}
