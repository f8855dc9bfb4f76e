//! Reads chunks and files: merges ranges, reads several at a time, and checks every byte.

use crate::chunk::{ChunkId, Root};
use crate::error::StoreError;
use crate::host::start_work;
use crate::index::{Copy, View};
use crate::name::TimeName;
use crate::objects::{Folder, get_bounded};
use crate::pack::encoding::{ChunkError, Record};
use crate::pack::format::{Entry, Place};
use crate::rules::Rule;
use crate::store::{Inner, Store};
use bytes::Bytes;
use chunker::chunking::ChunkDescriptor;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use futures::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use futures::{FutureExt as _, TryFutureExt as _};
use std::collections::{HashMap, HashSet};
use std::future::ready;
use std::mem::replace;
use std::ops::Range;
use std::sync::Arc;

/// Chunks to fetch together.
const WINDOW_CHUNKS: usize = 1024;
/// How often to look for chunks that are no longer where they were.
const LOOKS: u32 = 16;
/// Length of the longest merged range, in bytes.
const LONGEST_RANGE: u64 = 4 << 20;

/// How much to fetch ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// Bytes of chunks after which a window is full; the last chunk may exceed them.
    pub(crate) window: u64,
    /// Windows to fetch at the same time.
    pub(crate) windows: usize,
}

impl Ahead {
    /// Enough to keep a program with memory to spare busy.
    pub(crate) const FAR: Self = Self { window: 8 << 20, windows: 3 };
}

/// A stream of results from a store.
pub type Results<T> = BoxStream<'static, Result<T, StoreError>>;

impl Store {
    /// Returns the chunk with this digest, verified, or `None` if it is not in the store.
    ///
    /// # Errors
    /// [`StoreError::Chunk`], when every copy of it is damaged; [`StoreError::Object`].
    pub async fn get(&self, algorithm: HashAlgorithm, digest: [u8; 32]) -> Result<Option<Bytes>, StoreError> {
        let ids = vec![ChunkId::new(algorithm, digest)];
        let chunks = Arc::clone(&self.inner).fetch(ids, Record::chunk).await?;
        Ok(chunks.into_iter().next().and_then(|(_, fetched)| Some(fetched?.content)))
    }

    /// Returns many chunks, verified, each with its digest, in the order of the request; `None` stands for a
    /// chunk that is not in the store.
    ///
    /// Chunks that are stored together are read together, several windows of 8 MiB at a time.
    ///
    /// # Errors
    /// As [`get`](Self::get); the stream ends with the first error.
    pub fn get_many(
        &self,
        algorithm: HashAlgorithm,
        digests: impl IntoIterator<Item = [u8; 32]>,
    ) -> Results<([u8; 32], Option<Bytes>)> {
        let ids = digests.into_iter().map(|digest| ChunkId::new(algorithm, digest)).collect();
        let chunks = fetch_all(Arc::clone(&self.inner), ids, Ahead::FAR, Record::chunk);
        chunks.map_ok(|(id, fetched)| (id.digest, fetched.map(|fetched| fetched.content))).boxed()
    }

    /// Returns the manifest of a file, verified.
    ///
    /// # Errors
    /// [`StoreError::RootNotFound`]; [`StoreError::Manifest`] or [`StoreError::ManifestDigest`] when it is
    /// damaged; [`StoreError::Object`].
    pub async fn manifest(&self, root: &Root) -> Result<Manifest, StoreError> {
        let manifest = self.inner.read_manifest(root).await?;
        manifest.ok_or(StoreError::RootNotFound { root: *root })
    }

    /// Returns the bytes of a file, or a range of them, in verified pieces. A range may end past the end of the
    /// file; there are no more bytes then.
    ///
    /// The bytes are correct, whatever happens to the store in the meantime. Until the file is deleted, no
    /// collection interferes with a read.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest); [`StoreError::Range`]. The stream ends with an error when a chunk is
    /// damaged ([`StoreError::Chunk`]) or lost ([`StoreError::ChunkNotFound`]).
    pub async fn read(&self, root: &Root, range: Option<Range<u64>>) -> Result<Results<Bytes>, StoreError> {
        let manifest = self.manifest(root).await?;
        self.read_manifest(&manifest, range)
    }

    /// Returns the bytes of the file with this manifest, as [`read`](Self::read) does; the file itself need
    /// not be in the store.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_manifest(
        &self,
        manifest: &Manifest,
        range: Option<Range<u64>>,
    ) -> Result<Results<Bytes>, StoreError> {
        let length = manifest.total_length();
        let Range { start, end } = range.unwrap_or(0..length);
        if start > end.min(length) {
            return Err(StoreError::Range { start, end, length });
        }
        let part = start..end.min(length);
        Ok(read_cuts(Arc::clone(&self.inner), &cuts(manifest, &part), Ahead::FAR))
    }
}

/// A part of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    id: ChunkId,
    length: usize,
    part: Range<usize>,
}

impl Cut {
    /// Length of the whole chunk in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length as u64
    }
}

/// Returns what chunks have of a range of their file.
pub(crate) fn cuts(manifest: &Manifest, range: &Range<u64>) -> Vec<Cut> {
    let chunks = manifest.chunks();
    let first = chunks.partition_point(|chunk| chunk.offset + chunk.length as u64 <= range.start);
    let last = chunks.partition_point(|chunk| chunk.offset < range.end).max(first);
    let algorithm = manifest.hash_algorithm();
    let cut = |chunk: &ChunkDescriptor| {
        let at = |at: u64| usize::try_from(at.saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        let part = at(range.start)..at(range.end).min(chunk.length);
        Cut { id: ChunkId::new(algorithm, chunk.hash), length: chunk.length, part }
    };
    chunks[first..last].iter().map(cut).collect()
}

/// Returns the bytes of parts of chunks, in verified pieces.
pub(crate) fn read_cuts(inner: Arc<Inner>, cuts: &[Cut], ahead: Ahead) -> Results<Bytes> {
    let ids = cuts.iter().map(|cut| cut.id).collect();
    let cuts: Vec<_> = cuts.iter().map(|cut| (cut.length, cut.part.clone())).collect();
    let chunks = fetch_all(inner, ids, ahead, Record::chunk).zip(stream::iter(cuts));
    let pieces = chunks.map(|(fetched, (length, part))| {
        let (id, fetched) = fetched?;
        Ok(of_length(id, fetched, length)?.content.slice(part))
    });
    pieces.boxed()
}

/// Checks a stored chunk, and returns what its reader needs of it. Runs on the host's threads.
pub(crate) type Open<T> = fn(&Record) -> Result<T, ChunkError>;

/// Returns the chunks in order, in windows that are fetched ahead.
pub(crate) fn fetch_all<T: Clone + Send + Sync + 'static>(
    inner: Arc<Inner>,
    ids: Vec<ChunkId>,
    ahead: Ahead,
    open: Open<T>,
) -> Results<(ChunkId, Option<Fetched<T>>)> {
    let windows =
        stream::try_unfold((Arc::clone(&inner), ids.into_iter()), move |(inner, mut ids)| async move {
            let window: Vec<_> = ids.by_ref().take(WINDOW_CHUNKS).collect();
            if window.is_empty() {
                return Ok::<_, StoreError>(None);
            }
            inner.list_packs_once().await?; // where chunks are not known, a window is not bounded
            let windows = inner.split_window(window, ahead.window).await?;
            Ok(Some((stream::iter(windows.into_iter().map(Ok)), (inner, ids))))
        });
    let windows = windows.try_flatten();
    let fetched = windows
        .map_ok(move |window| Arc::clone(&inner).fetch(window, open).boxed())
        .try_buffered(ahead.windows);
    until_failure(fetched.map_ok(|chunks| stream::iter(chunks).map(Ok)).try_flatten()).boxed()
}

/// Ends a stream after its first error.
pub(crate) fn until_failure<T, E>(
    results: impl Stream<Item = Result<T, E>>,
) -> impl Stream<Item = Result<T, E>> {
    let mut failed = false;
    results.take_while(move |result| ready(!replace(&mut failed, result.is_err())))
}

/// Returns a requested chunk of a manifest, if it was found and has the length in the manifest.
pub(crate) fn of_length<T>(
    id: ChunkId,
    fetched: Option<Fetched<T>>,
    length: usize,
) -> Result<Fetched<T>, StoreError> {
    let fetched = fetched.ok_or(StoreError::ChunkNotFound { chunk: id })?;
    let found = fetched.place.length as usize;
    if found == length { Ok(fetched) } else { Err(ChunkError::Length { id, length: found }.into()) }
}

/// A chunk that was read and checked, as its reader needs it.
#[derive(Clone, Debug)]
pub(crate) struct Fetched<T> {
    pub(crate) place: Place,
    pub(crate) content: T,
}

/// Copies of chunks that could not be read.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    copies: HashSet<(ChunkId, TimeName)>,
    /// Why the last copy of each could not be read.
    errors: HashMap<ChunkId, StoreError>,
}

impl Failed {
    fn add(&mut self, id: ChunkId, pack: TimeName, error: StoreError) {
        self.copies.insert((id, pack));
        self.errors.insert(id, error);
    }
}

/// Chunks of one pack, read together.
struct Batch {
    pack: TimeName,
    range: Range<u64>,
    chunks: Vec<Entry>,
}

impl Inner {
    /// Splits a window into windows of bounded size, as far as its chunks are known.
    pub(crate) async fn split_window(
        self: &Arc<Self>,
        ids: Vec<ChunkId>,
        most: u64,
    ) -> Result<Vec<Vec<ChunkId>>, StoreError> {
        let places = self.look_up(ids.clone().into(), |view, id| view.copies(id)).await?;
        let mut windows = vec![Vec::new()];
        let mut bytes = 0;
        for (index, id) in ids.into_iter().enumerate() {
            let copy = places.get(index).and_then(|copies| copies.first());
            bytes += copy.map_or(0, |copy| u64::from(copy.place.length));
            if let Some(window) = windows.last_mut() {
                window.push(id);
            }
            if bytes >= most {
                bytes = 0;
                windows.push(Vec::new());
            }
        }
        windows.retain(|window| !window.is_empty());
        Ok(windows)
    }

    /// Lists the packs, unless they were listed before.
    async fn list_packs_once(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.view().packs_listed { Ok(()) } else { self.refresh(false).await }
    }

    /// Returns these chunks in this order; looks again, with a complete list of packs, for those that are no
    /// longer where they were.
    pub(crate) async fn fetch<T: Clone + Send + Sync + 'static>(
        self: Arc<Self>,
        ids: Vec<ChunkId>,
        open: Open<T>,
    ) -> Result<Vec<(ChunkId, Option<Fetched<T>>)>, StoreError> {
        self.list_packs_once().await?;
        let mut chunks = HashMap::new();
        let mut failed = Failed::default();
        let mut wanted = ids.clone();
        wanted.sort_unstable();
        wanted.dedup();
        // Rule 9: collectors copy before they delete, so look again for a missing chunk: among new packs,
        // then in two complete views. A damaged chunk may have a copy that is not known yet.
        let lag = self.format.listing_lag;
        let mut unknown = 0;
        for _ in 0..LOOKS {
            let known = self.fetch_known(&wanted, open, &mut chunks, &mut failed).await?;
            wanted.retain(|id| !chunks.contains_key(id));
            unknown = if known { 0 } else { unknown + 1 };
            if wanted.is_empty() || !self.rules.hold(Rule::Liveness) {
                break;
            }
            match unknown {
                5 => break,
                4 if lag.is_zero() => break,
                4 => self.host.sleep(lag).await, // rule 7: what was copied is not listed yet
                _ => {}
            }
            self.refresh(unknown != 1).await?;
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let fetched: Option<&Fetched<T>> = chunks.get(&id);
            match (fetched, failed.errors.remove(&id)) {
                (None, Some(error)) => return Err(error),
                (fetched, _) => found.push((id, fetched.cloned())),
            }
        }
        let read = found.iter().filter_map(|(_, fetched)| Some(fetched.as_ref()?.place.length));
        crate::observability::chunks_read(read);
        Ok(found)
    }

    /// Returns the place of the best copy of each chunk, in the same order; looks again, as
    /// [`fetch`](Self::fetch) does, while one is unknown.
    pub(crate) async fn locate(
        self: &Arc<Self>,
        ids: &Arc<[ChunkId]>,
    ) -> Result<Vec<Option<Place>>, StoreError> {
        self.list_packs_once().await?;
        let place = |view: &View, id: &ChunkId| Ok(view.copies(id)?.first().map(|copy| copy.place));
        let mut places = self.look_up(Arc::clone(ids), place).await?;
        for full in [false, true, true] {
            if places.iter().all(Option::is_some) {
                break;
            }
            self.refresh(full).await?;
            places = self.look_up(Arc::clone(ids), place).await?;
        }
        let lag = self.format.listing_lag;
        if !lag.is_zero() && places.iter().any(Option::is_none) {
            self.host.sleep(lag).await; // rule 7: what was written by another process is not listed yet
            self.refresh(true).await?;
            places = self.look_up(Arc::clone(ids), place).await?;
        }
        Ok(places)
    }

    /// Fetches chunks from where the view says they are, or from another copy if one is damaged, but not from
    /// copies that `failed` before; returns whether it knew a place for any.
    pub(crate) async fn fetch_known<T: Send + 'static>(
        self: &Arc<Self>,
        ids: &[ChunkId],
        open: Open<T>,
        chunks: &mut HashMap<ChunkId, Fetched<T>>,
        failed: &mut Failed,
    ) -> Result<bool, StoreError> {
        let mut copies = self.look_up(ids.into(), |view, id| view.copies(id)).await?;
        for (id, copies) in ids.iter().zip(&mut copies) {
            copies.retain(|copy| !failed.copies.contains(&(*id, copy.pack)));
        }
        let most = copies.iter().map(Vec::len).max().unwrap_or(0);
        for turn in 0..most {
            let wanted = ids.iter().zip(&copies).filter(|(id, _)| !chunks.contains_key(id));
            let wanted = wanted.filter_map(|(&id, copies)| Some((id, *copies.get(turn)?)));
            let batches = self.batches(wanted.collect());
            let reads = batches.into_iter().map(|batch| {
                let pack = batch.pack;
                Arc::clone(self).read_batch(batch, open).map_ok(move |results| (pack, results))
            });
            let mut reads = stream::iter(reads).buffered(self.options.concurrency);
            while let Some((pack, results)) = reads.try_next().await? {
                for (id, result) in results {
                    match result {
                        Ok(chunk) => drop(chunks.insert(id, chunk)),
                        Err(error) => {
                            self.view_mut().add_damaged_copy(id, pack);
                            failed.add(id, pack, error);
                        }
                    }
                }
            }
        }
        Ok(most > 0)
    }

    /// Merges chunks that are close together.
    fn batches(&self, mut wanted: Vec<(ChunkId, Copy)>) -> Vec<Batch> {
        wanted.sort_unstable_by_key(|(_, copy)| (copy.pack, copy.place.offset));
        let mut batches: Vec<Batch> = Vec::new();
        for (id, Copy { pack, place, .. }) in wanted {
            let (range, chunk) = (place.range(), Entry { id, place });
            if let Some(last) = batches.last_mut()
                && last.pack == pack
                && range.start <= last.range.end + self.objects.gap()
                && range.end - last.range.start <= LONGEST_RANGE
            {
                last.range.end = last.range.end.max(range.end);
                last.chunks.push(chunk);
            } else {
                batches.push(Batch { pack, range, chunks: vec![chunk] });
            }
        }
        batches
    }

    /// Reads and checks chunks of one pack. Leaves out missing ones, so that other copies are tried.
    async fn read_batch<T: Send + 'static>(
        self: Arc<Self>,
        Batch { pack, range, chunks }: Batch,
        open: Open<T>,
    ) -> Result<Vec<(ChunkId, Result<Fetched<T>, StoreError>)>, StoreError> {
        let start = range.start;
        let bytes = match self.read_pack(pack, range).await? {
            None => {
                self.view_mut().remove(pack);
                return Ok(Vec::new());
            }
            Some(Err(source)) => {
                let damaged = |Entry { id, .. }| (id, Err(StoreError::Pack { pack, source: source.clone() }));
                return Ok(chunks.into_iter().map(damaged).collect());
            }
            Some(Ok(bytes)) => bytes,
        };
        let entries = chunks.clone();
        let opened = move || {
            let open_one = |entry: Entry| {
                let content = open(&Record::new(entry, &bytes, start)).map_err(StoreError::Chunk);
                (entry.id, content.map(|content| Fetched { place: entry.place, content }))
            };
            chunks.into_iter().map(open_one).collect()
        };
        let mut results: Vec<(ChunkId, Result<_, _>)> = start_work(&self.host, opened).await?;
        // The index of this machine may be wrong about the pack.
        if results.iter().any(|(_, result)| result.is_err()) && self.correct(pack, &entries).await? {
            results.retain(|(_, result)| result.is_ok());
        }
        Ok(results)
    }

    /// Returns the manifest of a file, verified, if the store has it.
    pub(crate) async fn read_manifest(&self, root: &Root) -> Result<Option<Manifest>, StoreError> {
        let name = Folder::Manifests.object(root);
        let Some(bytes) = self.read_bounded(&name).await? else { return Ok(None) };
        let (limit, root) = (self.options.manifest_limit, *root);
        let manifest = move || verified_manifest(name, &bytes, root, limit);
        start_work(&self.host, manifest).await?.map(Some)
    }

    /// Returns the manifest of this file if these are its bytes.
    pub(crate) fn checked_manifest(&self, root: &Root, bytes: &[u8]) -> Result<Manifest, StoreError> {
        verified_manifest(Folder::Manifests.object(root), bytes, *root, self.options.manifest_limit)
    }

    pub(crate) fn parse_manifest(&self, name: String, bytes: &[u8]) -> Result<Manifest, StoreError> {
        parse_manifest(name, bytes, self.options.manifest_limit)
    }

    /// Returns an object whose length is within the limit for manifests.
    pub(crate) async fn read_bounded(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let limit = self.options.manifest_limit;
        match get_bounded(self.objects.as_ref(), name, limit).await? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(length)) => Err(StoreError::ManifestTooLarge { length, limit }),
        }
    }
}

/// Returns the manifest of a file from the bytes of the object `name`.
fn verified_manifest(name: String, bytes: &[u8], root: Root, limit: u64) -> Result<Manifest, StoreError> {
    if root.algorithm().digest(bytes) != root.digest() {
        return Err(StoreError::ManifestDigest { name });
    }
    let manifest = parse_manifest(name.clone(), bytes, limit)?;
    let algorithm = manifest.hash_algorithm();
    if algorithm != root.algorithm() {
        return Err(StoreError::ManifestAlgorithm { name, algorithm });
    }
    Ok(manifest)
}

fn parse_manifest(name: String, bytes: &[u8], limit: u64) -> Result<Manifest, StoreError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Manifest::parse(bytes, limit).map_err(|source| StoreError::Manifest { name, source })
}
