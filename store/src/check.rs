//! Checks whether a store is sound, and repairs what can be repaired.

use crate::chunk::{ChunkId, Root};
use crate::collect::{CollectOptions, Collector};
use crate::error::StoreError;
use crate::host::{Moment, start_work};
use crate::name::TimeName;
use crate::objects::{Folder, Found, found};
use crate::pack::encoding::Record;
use crate::pack::format::{Entry, HEAD, PackError};
use crate::progress::{Callback, Progress, Step};
use crate::refresh::DOOMED_PACKS;
use crate::store::{Inner, Store};
use bytes::Bytes;
use chunker::manifest::Manifest;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes of a pack to read at once.
const WINDOW: u64 = 4 << 20;
/// Packs to read at the same time: each takes a window of memory.
const PACKS: usize = 4;
/// Files whose chunks to look up together.
const FILES: usize = 64;

/// Options of a check.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    read_data: bool,
    repair: bool,
    progress: Callback,
}

impl CheckOptions {
    /// Returns the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to read every chunk and check its digest and checksum, not only every footer and manifest.
    /// Default: false.
    #[must_use]
    pub const fn read_data(mut self, read_data: bool) -> Self {
        self.read_data = read_data;
        self
    }

    /// Whether to copy the good chunks of damaged packs and doom the packs, so that uploading the lost chunks
    /// again repairs the store. Default: false, which writes nothing.
    #[must_use]
    pub const fn repair(mut self, repair: bool) -> Self {
        self.repair = repair;
        self
    }

    /// Calls `progress` during the check, from the task that polls it.
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Callback::new(progress);
        self
    }
}

/// The result of a check.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Packs that were checked.
    pub packs: u64,
    /// Chunks in these packs.
    pub chunks: u64,
    /// Bytes of these packs.
    pub bytes: u64,
    /// Files that were checked.
    pub files: u64,
    /// Packs that are damaged.
    pub damaged_packs: Vec<DamagedPack>,
    /// Files that cannot be read completely.
    pub hurt_files: Vec<HurtFile>,
    /// Names of objects that are damaged, or that do not belong in a store.
    pub strange_objects: Vec<String>,
    /// The damaged ones, with what is wrong: dooms, and manifests of commits in progress.
    pub damaged_objects: Vec<DamagedObject>,
    /// Chunks that were copied out of damaged packs.
    pub rescued_chunks: u64,
    /// Damaged packs that were deleted because no file needs them any longer.
    pub deleted_packs: u64,
}

impl CheckReport {
    /// Returns whether every file can be read and no pack is damaged.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.damaged_packs.is_empty() && self.hurt_files.is_empty() && self.strange_objects.is_empty()
    }
}

/// A pack that is damaged.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedPack {
    /// Its name.
    pub pack: TimeName,
    /// What is wrong with the pack as a whole, or with a checksum if all its chunks are sound.
    pub error: Option<PackError>,
    /// Its chunks that are damaged.
    pub chunks: Vec<ChunkId>,
}

/// An object that is damaged, and is neither a pack nor the manifest of a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedObject {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub error: StoreError,
}

/// A file that cannot be read completely.
#[derive(Debug)]
#[non_exhaustive]
pub struct HurtFile {
    /// The file's name.
    pub root: Root,
    /// What is wrong with its manifest.
    pub error: Option<StoreError>,
    /// Its chunks without a good copy in the store, each once.
    pub chunks: Vec<ChunkId>,
}

impl Store {
    /// Checks every footer and every manifest, and with [`CheckOptions::read_data`] every byte.
    ///
    /// Commits, writers and collections may continue during the check; the report leaves out objects that they
    /// delete. With [`CheckOptions::repair`], damaged packs are doomed, and deleted as soon as no file needs
    /// anything in them; if the process dies, the next collection does the rest. Without it, nothing is
    /// written.
    ///
    /// # Errors
    /// [`StoreError::Object`], if the store cannot be listed or read. Damage is reported, and not an error.
    pub async fn check(&self, options: CheckOptions) -> Result<CheckReport, StoreError> {
        let inner = &self.inner;
        inner.refresh(true).await?;
        let mut report = CheckReport::default();
        check_small_objects(inner, &mut report).await?;
        let bad = check_packs(inner, &options, &mut report).await?;
        check_files(inner, &options, &bad, &mut report).await?;
        if options.repair && !report.damaged_packs.is_empty() {
            repair(inner, &options, &mut report).await?;
        }
        Ok(report)
    }
}

/// Checks the names of everything but manifests, and reads dooms and pending manifests.
async fn check_small_objects(inner: &Arc<Inner>, report: &mut CheckReport) -> Result<(), StoreError> {
    for folder in Folder::ALL.into_iter().filter(|&folder| folder != Folder::Manifests) {
        for Found { name, size, .. } in inner.objects.list(folder, None).await? {
            let object = folder.object(&name);
            let Ok(name) = name.parse::<TimeName>() else {
                report.strange_objects.push(object);
                continue;
            };
            let checked = match folder {
                Folder::Pending => check_pending(inner, &object).await,
                Folder::Dooms => match inner.read_doom(name, size).await? {
                    Some(None) => Err(StoreError::Doom { name: object.clone() }),
                    _ => Ok(()),
                },
                _ => Ok(()),
            };
            match checked {
                Ok(()) => {}
                Err(error @ StoreError::Object(_)) => return Err(error),
                Err(error) => {
                    report.strange_objects.push(object.clone());
                    report.damaged_objects.push(DamagedObject { name: object, error });
                }
            }
        }
    }
    Ok(())
}

async fn check_pending(inner: &Inner, object: &str) -> Result<(), StoreError> {
    match inner.read_bounded(object).await? {
        Some(bytes) => inner.parse_manifest(object.to_owned(), &bytes).map(drop),
        None => Ok(()), // published meanwhile
    }
}

/// Copies that a reader cannot use.
#[derive(Debug, Default)]
struct Bad {
    chunks: HashSet<(ChunkId, TimeName)>,
    /// Packs that cannot be read at all.
    packs: HashSet<TimeName>,
}

impl Bad {
    fn has(&self, id: ChunkId, pack: TimeName) -> bool {
        self.packs.contains(&pack) || self.chunks.contains(&(id, pack))
    }
}

/// Checks the packs, and returns what is damaged in each.
async fn check_packs(
    inner: &Arc<Inner>,
    options: &CheckOptions,
    report: &mut CheckReport,
) -> Result<Bad, StoreError> {
    let packs: Vec<_> = {
        let view = inner.view();
        view.present().map(|pack| (pack.name, pack.size)).collect()
    };
    let total = packs.len() as u64;
    let read_data = options.read_data;
    let checks = packs.into_iter().map(|(name, size)| {
        let inner = Arc::clone(inner);
        async move { Ok::<_, StoreError>((name, size, check_pack(&inner, name, size, read_data).await?)) }
    });
    let concurrency = if read_data { PACKS } else { inner.options.concurrency };
    let mut checks = stream::iter(checks).buffered(concurrency);
    let mut bad = Bad::default();
    let mut done = 0;
    while let Some((pack, size, checked)) = checks.try_next().await? {
        done += 1;
        options.progress.report(Step::CheckPacks, done, total);
        let Some(Checked { count, error, chunks }) = checked else { continue };
        report.packs += 1;
        report.bytes += size;
        report.chunks += count;
        bad.chunks.extend(chunks.iter().map(|&id| (id, pack)));
        if is_unreadable(error.as_ref()) {
            bad.packs.insert(pack);
        }
        if error.is_some() || !chunks.is_empty() {
            report.damaged_packs.push(DamagedPack { pack, error, chunks });
        }
    }
    Ok(bad)
}

struct Checked {
    count: u64,
    error: Option<PackError>,
    chunks: Vec<ChunkId>,
}

fn is_unreadable(error: Option<&PackError>) -> bool {
    matches!(error, Some(PackError::Unreadable { .. }))
}

/// Checks one pack, and whether the view is right about it; `None` if it was deleted in the meantime.
async fn check_pack(
    inner: &Arc<Inner>,
    name: TimeName,
    size: u64,
    read_data: bool,
) -> Result<Option<Checked>, StoreError> {
    let damaged = |error| Ok(Some(Checked { count: 0, error: Some(error), chunks: Vec::new() }));
    let start = Moment::now(inner.host.as_ref());
    let entries: Arc<[Entry]> = match inner.read_footer(name, size).await? {
        None => return Ok(None),
        Some(Err(error)) => {
            inner.view_mut().add_damaged(name, size, error.clone());
            return damaged(error);
        }
        Some(Ok(entries)) => entries.into(),
    };
    let (view, known) = (Arc::clone(inner), Arc::clone(&entries));
    let agrees = start_work(&inner.host, move || view.view().agrees(name, size, &known)).await?;
    if agrees == Ok(false) {
        inner.discard_cache().await?;
        if inner.is_recent(start) {
            inner.view_mut().replace(name, size, &entries);
        }
    }
    let mut checked = Checked { count: entries.len() as u64, error: None, chunks: Vec::new() };
    if !read_data {
        return Ok(Some(checked));
    }
    match inner.read_pack(name, 0..HEAD.len() as u64).await? {
        None => return Ok(None),
        Some(Ok(head)) if head == HEAD[..] => {}
        Some(Ok(_)) => checked.error = Some(PackError::Truncated),
        Some(Err(error)) => checked.error = Some(error),
    }
    let mut checksum = None;
    let mut rest = &entries[..];
    while let Some(first) = rest.first() {
        let start = first.place.range().start;
        let fits = rest.iter().take_while(|entry| entry.place.range().end - start <= WINDOW).count().max(1);
        let (window, behind) = rest.split_at(fits);
        rest = behind;
        let end = window.last().map_or(start, |entry| entry.place.range().end);
        let bytes = match inner.read_pack(name, start..end).await? {
            None => return Ok(None),
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => {
                checked.error = Some(error);
                checked.chunks.extend(window.iter().map(|entry| entry.id));
                continue;
            }
        };
        let window = window.to_vec();
        let (chunks, error) = start_work(&inner.host, move || damage(&window, &bytes, start)).await?;
        checked.chunks.extend(chunks);
        checksum = checksum.or(error);
    }
    if checked.chunks.is_empty() {
        checked.error = checked.error.or(checksum);
    }
    Ok(Some(checked))
}

/// Returns the damaged chunks in a part of a pack, and an error if only the checksum of one is damaged.
fn damage(entries: &[Entry], part: &Bytes, start: u64) -> (Vec<ChunkId>, Option<PackError>) {
    let (mut chunks, mut error) = (Vec::new(), None);
    for &entry in entries {
        let (chunk, record) = (entry.id, Record::new(entry, part, start));
        if record.chunk().is_err() {
            chunks.push(chunk);
        } else if !record.is_intact() {
            error = Some(PackError::Checksum { chunk });
        }
    }
    (chunks, error)
}

/// Checks that every file's manifest is sound and every chunk has a good copy.
async fn check_files(
    inner: &Arc<Inner>,
    options: &CheckOptions,
    bad: &Bad,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let list = inner.objects.list(Folder::Manifests, None).await?;
    let mut roots = Vec::new();
    for file in list {
        match file.name.parse::<Root>() {
            Ok(root) => roots.push((root, file.size)),
            Err(_) => report.strange_objects.push(Folder::Manifests.object(&file.name)),
        }
    }
    let total = roots.len() as u64;
    let mut reads = inner.read_manifests(roots).ready_chunks(FILES);
    let mut done = 0;
    let mut refreshed = false;
    while let Some(group) = reads.next().await {
        let mut files = Vec::new();
        for (root, manifest) in group {
            done += 1;
            options.progress.report(Step::ReadManifests, done, total);
            match manifest {
                Ok(None) => continue, // deleted meanwhile
                Ok(Some(manifest)) => files.push((root, manifest)),
                Err(error @ StoreError::Object(_)) => return Err(error),
                Err(error) => {
                    report.hurt_files.push(HurtFile { root, error: Some(error), chunks: Vec::new() });
                }
            }
            report.files += 1;
        }
        if lost_chunks(inner, &wanted(files.iter().map(|(_, manifest)| manifest)), bad).await?.is_empty() {
            continue;
        }
        if !refreshed {
            inner.refresh(true).await?; // it may have been committed, or a pack rewritten, after the lists
            refreshed = true;
        }
        for (root, manifest) in files {
            let chunks = lost_chunks(inner, &wanted([&manifest]), bad).await?;
            let object = Folder::Manifests.object(root);
            if !chunks.is_empty() && found(inner.objects.head(&object).await)?.is_some() {
                report.hurt_files.push(HurtFile { root, error: None, chunks });
            }
        }
    }
    Ok(())
}

/// Returns the chunks of files, each once, with the lengths that the manifests say.
fn wanted<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Arc<[(ChunkId, usize)]> {
    let mut seen = HashSet::new();
    let chunks = manifests.into_iter().flat_map(|manifest| {
        let algorithm = manifest.hash_algorithm();
        let chunks = manifest.chunks().iter();
        chunks.map(move |chunk| (ChunkId::new(algorithm, chunk.hash), chunk.length))
    });
    chunks.filter(|chunk| seen.insert(*chunk)).collect()
}

/// Returns the chunks without a known good copy of this length.
async fn lost_chunks(
    inner: &Arc<Inner>,
    chunks: &Arc<[(ChunkId, usize)]>,
    bad: &Bad,
) -> Result<Vec<ChunkId>, StoreError> {
    let copies = inner.look_up(Arc::clone(chunks), |view, (id, _)| view.copies(id)).await?;
    let lost = chunks.iter().zip(copies).filter(|&(&(id, length), ref copies)| {
        copies.iter().all(|copy| copy.place.length as usize != length || bad.has(id, copy.pack))
    });
    let mut lost: Vec<ChunkId> = lost.map(|(&(id, _), _)| id).collect();
    lost.dedup();
    Ok(lost)
}

/// Dooms the damaged packs, and deletes them as far as possible.
async fn repair(
    inner: &Arc<Inner>,
    options: &CheckOptions,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    inner.all_dooms_known()?;
    let progress = options.progress.clone();
    let collect = CollectOptions::new()
        .progress(move |Progress { step, done, total }| progress.report(step, done, total));
    let mut collector = Collector::new(Arc::clone(inner), collect).await?;
    let doomed: HashSet<TimeName> =
        inner.view().present().filter(|pack| pack.doomed).map(|pack| pack.name).collect();
    // A pack that cannot be read now may be sound.
    let packs = report.damaged_packs.iter().filter(|damaged| !is_unreadable(damaged.error.as_ref()));
    let packs: Vec<TimeName> =
        packs.map(|damaged| damaged.pack).filter(|pack| !doomed.contains(pack)).collect();
    for packs in packs.chunks(DOOMED_PACKS) {
        collector.doom(packs.to_vec()).await?;
    }
    // Any other error is a damaged manifest: then nothing may be deleted, and the report already has it.
    if let Err(error @ StoreError::Object(_)) = collector.finish().await {
        return Err(error);
    }
    report.rescued_chunks = collector.report.copied_chunks;
    report.deleted_packs = collector.report.deleted_packs;
    Ok(())
}
