//! Downloads: a manifest and the chunks that it lists, in one answer.

use super::answer::{Answer, AnswerBody, OCTETS, Refusal};
use super::chunks::{self, begun};
use super::exchange::Reader;
use super::manifests;
use super::route::Form;
use super::wire::DOWNLOAD;
use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::host::start_work;
use crate::objects::Folder;
use bytes::Bytes;
use chunker::manifest::Manifest;
use futures::stream::{self, StreamExt as _};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Answers with the manifest of a file, and a pack of the chunks in a part of it.
pub(super) async fn read(
    reader: &Reader<'_>,
    root: Root,
    form: Form,
    part: Range<u64>,
) -> Result<Answer, Refusal> {
    let inner = &reader.store.inner;
    let size = manifests::size(inner, root).await?.ok_or_else(|| Refusal::root_not_found(root))?;
    let name = Folder::Manifests.object(root);
    let most = usize::try_from(reader.shared.options.read_digests).unwrap_or(usize::MAX);
    let kept = 6 * size.min(inner.options.manifest_limit);
    let mut memory = reader.shared.budget.take_listed(kept).await?;
    let bytes = inner.read_bounded(&name).await?.ok_or_else(|| Refusal::root_not_found(root))?;
    let (store, verified) = (Arc::clone(inner), bytes.clone());
    let listed = start_work(&inner.host, move || {
        store.checked_manifest(&root, &verified).map(|manifest| distinct(&manifest, &part, most))
    });
    let ids = listed.await.map_err(StoreError::from)??;
    memory.shrink((bytes.len() + 6 * size_of::<[u8; 32]>() * ids.len()) as u64);
    let (pack, chunks) = chunks::pack(reader, ids, form).await?;
    let mut head = DOWNLOAD.to_vec();
    head.extend_from_slice(&u32::try_from(bytes.len()).map_err(|_| Refusal::internal())?.to_le_bytes());
    let length = head.len() as u64 + bytes.len() as u64 + pack;
    let answer = |body| {
        let answer = Answer::streamed(200, length, body).with("Content-Type", OCTETS);
        answer.with("Content-Security-Policy", "sandbox")
    };
    if reader.head_only {
        return Ok(answer(AnswerBody::Empty));
    }
    let manifest = manifests::pieces(bytes);
    let before = 1 + manifest.len();
    let pieces = stream::iter([Ok(Bytes::from(head))]).chain(stream::iter(manifest)).chain(chunks);
    Ok(answer(begun(pieces, memory, before + 2).await?))
}

/// Returns the first `most` distinct chunks that overlap the part of the file.
fn distinct(manifest: &Manifest, part: &Range<u64>, most: usize) -> Arc<[ChunkId]> {
    let algorithm = manifest.hash_algorithm();
    let mut seen = HashSet::new();
    let inside = manifest.chunks().iter().filter(|chunk| {
        let end = chunk.offset + chunk.length as u64;
        chunk.offset < part.end && end > part.start && part.start < part.end
    });
    let distinct = inside.filter(|chunk| seen.insert(chunk.hash)).take(most);
    distinct.map(|chunk| ChunkId::new(algorithm, chunk.hash)).collect()
}
