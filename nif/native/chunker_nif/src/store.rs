//! Stores: chunks, files, and their maintenance.

use crate::failure::{Failure, StoreFailure, chain};
use crate::options::{BOOLEAN, Hash, INTEGER, given, is_nil, value};
use crate::references::PatchesResource;
use crate::terms::{Bytes, Items};
use crate::work::{Shared, Slot, Started, call, owned, start, worked};
use chunker::manifest::Manifest;
use chunker_store::{
    CacheFolder, CheckOptions, CheckReport, CollectOptions, CollectReport, FileEntry, PackWriter, Root,
    StoreOptions, Usage,
};
use futures::FutureExt as _;
use futures::stream::{BoxStream, Fuse, Stream, StreamExt as _, TryStreamExt as _, once};
use rustler::{Atom, Binary, Decoder, Encoder, Env, NifMap, NifResult, Resource, ResourceArc, Term};
use std::panic::RefUnwindSafe;
use std::time::{Duration, UNIX_EPOCH};

mod atoms {
    rustler::atoms! { platform, none, done }
}

/// An open store.
pub(crate) struct StoreResource(pub(crate) chunker_store::Store);

/// A store, as the functions here take it.
pub(crate) type Store = ResourceArc<StoreResource>;

#[rustler::resource_impl]
impl Resource for StoreResource {}

// Locks guard all of its state, and a panic does not change it.
impl RefUnwindSafe for StoreResource {}

/// Options of a store; `nil` stands for the default. The lag is in milliseconds.
type Options<'a> = (Term<'a>, Term<'a>, Term<'a>, Term<'a>, Term<'a>, Term<'a>, Term<'a>);

fn options(
    (create, level, pack_size, concurrency, cache, lag, manifest): Options<'_>,
) -> Result<StoreOptions, StoreFailure> {
    let mut options = StoreOptions::new();
    if let Some(create) = given("create", create, BOOLEAN)? {
        options = options.create(create);
    }
    if let Some(level) = given("level", level, "an integer")? {
        options = options.level(level);
    }
    if let Some(bytes) = given("pack_size", pack_size, INTEGER)? {
        options = options.pack_size(bytes);
    }
    if let Some(requests) = given("concurrency", concurrency, INTEGER)? {
        options = options.concurrency(requests);
    }
    if let Some(lag) = given("listing_lag", lag, INTEGER)? {
        options = options.listing_lag(Duration::from_millis(lag));
    }
    if let Some(bytes) = given("manifest_limit", manifest, INTEGER)? {
        options = options.manifest_limit(bytes);
    }
    if is_nil(cache) || atoms::platform() == cache {
        return Ok(options);
    }
    let folder = if atoms::none() == cache {
        CacheFolder::None
    } else {
        CacheFolder::At(value::<&str>("cache", cache, ":platform, :none or a path")?.into())
    };
    Ok(options.cache(folder))
}

/// Starts to open the store at an address.
#[rustler::nif]
fn store_open<'a>(env: Env<'a>, url: &'a str, given: Options<'a>, reference: Term<'a>) -> Started {
    let (url, options) = (url.to_owned(), options(given)?);
    call(env, reference, async move {
        Ok(ResourceArc::new(StoreResource(chunker_store::Store::open(&url, options).await?)))
    })
}

/// Returns the store's address.
#[rustler::nif]
fn store_url(store: Store) -> String {
    store.0.url().to_owned()
}

/// Starts to ask which of the chunks with these digests, one after another, are missing: a byte for each, 1 if
/// it is.
#[rustler::nif]
fn store_missing<'a>(
    env: Env<'a>,
    store: Store,
    hash: Hash,
    digests: Binary<'a>,
    reference: Term<'a>,
) -> Started {
    let (algorithm, digests) = (hash.algorithm()?, Shared::new(digests));
    call(env, reference, async move {
        let bytes = digests.bytes();
        let (digests, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(Failure::ARGUMENT.into());
        }
        let missing = store.0.missing(algorithm, digests).await?;
        Ok(Bytes(missing.into_iter().map(u8::from).collect::<Vec<_>>()))
    })
}

/// Starts to read a chunk.
#[rustler::nif]
fn store_get<'a>(env: Env<'a>, store: Store, hash: Hash, digest: Binary<'a>, reference: Term<'a>) -> Started {
    let (algorithm, digest) = (hash.algorithm()?, digest_of(digest)?);
    call(
        env,
        reference,
        async move { Ok::<_, StoreFailure>(store.0.get(algorithm, digest).await?.map(Bytes)) },
    )
}

fn digest_of(binary: Binary<'_>) -> Result<[u8; 32], StoreFailure> {
    let refuse = |_| StoreFailure::argument(format!("digest has {} bytes (expected 32)", binary.len()));
    binary.as_slice().try_into().map_err(refuse)
}

worked! {
    /// Adds chunks to a store.
    struct WriterResource(PackWriter);
}

type Writer = ResourceArc<WriterResource>;

/// Returns a writer of chunks that the calling process owns.
#[rustler::nif]
fn writer_open(env: Env<'_>, store: Store, hash: Hash) -> Result<Writer, StoreFailure> {
    let algorithm = hash.algorithm()?;
    Ok(owned(env, WriterResource(Slot::new(store.0.pack_writer(algorithm)))))
}

/// Starts to add chunks, `{digest, bytes}` each.
#[rustler::nif]
fn writer_add<'a>(
    env: Env<'a>,
    writer: Writer,
    chunks: Items<'a>,
    reference: Term<'a>,
) -> NifResult<Result<Atom, StoreFailure>> {
    let chunks = chunks.0.into_iter().map(|term: Term<'a>| term.decode::<(Binary<'a>, Binary<'a>)>());
    let chunks = chunks.collect::<NifResult<Vec<_>>>()?.into_iter();
    let chunks = chunks.map(|(digest, bytes)| Ok((digest_of(digest)?, Shared::new(bytes))));
    let chunks = match chunks.collect::<Result<Vec<_>, StoreFailure>>() {
        Ok(chunks) => chunks,
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(start(env, writer, reference, |mut writer: PackWriter| async move {
        for (digest, chunk) in chunks {
            if let Err(error) = writer.add(digest, chunk.bytes()).await {
                return (None, Err(error.into()));
            }
        }
        (Some(writer), Ok(rustler::types::atom::ok()))
    }))
}

/// Starts to make all added chunks durable.
#[rustler::nif]
fn writer_seal<'a>(env: Env<'a>, writer: Writer, reference: Term<'a>) -> Result<Atom, StoreFailure> {
    start(env, writer, reference, |mut writer: PackWriter| async move {
        let sealed = writer.seal().await;
        (None, sealed.map(|_| rustler::types::atom::ok()).map_err(StoreFailure::from))
    })
}

/// Drops chunks that were added and not sealed.
#[rustler::nif]
fn writer_close(writer: Writer) -> Atom {
    writer.0.close();
    rustler::types::atom::ok()
}

/// Starts to commit the file with this manifest; the result is its root.
#[rustler::nif]
fn store_commit<'a>(env: Env<'a>, store: Store, manifest: Binary<'a>, reference: Term<'a>) -> Started {
    let bytes = Shared::new(manifest);
    call(env, reference, async move {
        let parsed = tokio::task::spawn_blocking(|| Manifest::parse(&bytes.bytes(), usize::MAX));
        let manifest = parsed.await.map_err(|_| StoreFailure::panicked())??;
        Ok(store.0.commit(&manifest).await?.to_string())
    })
}

/// Starts to delete a file; the result is whether it existed.
#[rustler::nif]
fn store_delete<'a>(env: Env<'a>, store: Store, root: &'a str, reference: Term<'a>) -> Started {
    let root: Root = root.parse()?;
    call(env, reference, async move { Ok::<_, StoreFailure>(store.0.delete(&root).await?) })
}

/// Starts to read the manifest of a file: its canonical bytes.
#[rustler::nif]
fn store_manifest<'a>(env: Env<'a>, store: Store, root: &'a str, reference: Term<'a>) -> Started {
    let root: Root = root.parse()?;
    call(env, reference, async move { Ok(Bytes(store.0.manifest(&root).await?.to_bytes())) })
}

#[derive(NifMap)]
#[rustler(encode)]
struct UsageMap {
    files: u64,
    packs: u64,
    doomed_packs: u64,
    chunks: u64,
    bytes: u64,
}

/// Starts to count what is in a store.
#[rustler::nif]
fn store_usage<'a>(env: Env<'a>, store: Store, reference: Term<'a>) -> Started {
    call(env, reference, async move {
        let Usage { files, packs, doomed_packs, chunks, bytes, .. } = store.0.usage().await?;
        Ok(UsageMap { files, packs, doomed_packs, chunks, bytes })
    })
}

#[derive(NifMap)]
#[rustler(encode)]
struct CollectMap {
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

/// Starts to free the space of chunks that no file needs. The age is in milliseconds.
#[rustler::nif]
fn store_collect<'a>(
    env: Env<'a>,
    store: Store,
    (min_age, max_waste, dry_run): (Term<'a>, Term<'a>, Term<'a>),
    reference: Term<'a>,
) -> Started {
    let mut options = CollectOptions::new().dry_run(value("dry_run", dry_run, BOOLEAN)?);
    if let Some(age) = given("min_age", min_age, INTEGER)? {
        options = options.min_age(Duration::from_millis(age));
    }
    if let Some(Percent(percent)) = given("max_waste", max_waste, "an integer from 0 to 100")? {
        options = options.max_waste(percent);
    }
    call(env, reference, async move { Ok(collected(store.0.collect(options).await?)) })
}

/// A percentage. (As `u8`, rustler decodes 256 as 0.)
struct Percent(u8);

impl<'a> Decoder<'a> for Percent {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let percent = term.decode::<u64>()?;
        u8::try_from(percent).ok().filter(|&percent| percent <= 100).map(Self).ok_or(rustler::Error::BadArg)
    }
}

fn collected(report: CollectReport) -> CollectMap {
    CollectMap {
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
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct CheckMap {
    sound: bool,
    packs: u64,
    chunks: u64,
    bytes: u64,
    files: u64,
    damaged_packs: Vec<DamagedPackMap>,
    hurt_files: Vec<HurtFileMap>,
    strange_objects: Vec<String>,
    damaged_objects: Vec<DamagedObjectMap>,
    rescued_chunks: u64,
    deleted_packs: u64,
}

#[derive(NifMap)]
#[rustler(encode)]
struct DamagedPackMap {
    pack: String,
    error: Option<String>,
    chunks: Vec<Bytes<[u8; 32]>>,
}

#[derive(NifMap)]
#[rustler(encode)]
struct HurtFileMap {
    root: String,
    error: Option<String>,
    chunks: Vec<Bytes<[u8; 32]>>,
}

#[derive(NifMap)]
#[rustler(encode)]
struct DamagedObjectMap {
    name: String,
    error: String,
}

/// Starts to check every pack and every file.
#[rustler::nif]
fn store_check<'a>(
    env: Env<'a>,
    store: Store,
    read_data: Term<'a>,
    repair: Term<'a>,
    reference: Term<'a>,
) -> Started {
    let options = CheckOptions::new()
        .read_data(value("read_data", read_data, BOOLEAN)?)
        .repair(value("repair", repair, BOOLEAN)?);
    call(env, reference, async move { Ok(checked(store.0.check(options).await?)) })
}

fn checked(report: CheckReport) -> CheckMap {
    let damaged_packs = report.damaged_packs.iter().map(|damaged| DamagedPackMap {
        pack: damaged.pack.to_string(),
        error: damaged.error.as_ref().map(|error| chain(error)),
        chunks: damaged.chunks.iter().map(|chunk| Bytes(chunk.digest)).collect(),
    });
    let hurt_files = report.hurt_files.iter().map(|hurt| HurtFileMap {
        root: hurt.root.to_string(),
        error: hurt.error.as_ref().map(|error| chain(error)),
        chunks: hurt.chunks.iter().map(|chunk| Bytes(chunk.digest)).collect(),
    });
    let damaged_objects = report
        .damaged_objects
        .iter()
        .map(|damaged| DamagedObjectMap { name: damaged.name.clone(), error: chain(&damaged.error) });
    CheckMap {
        sound: report.is_sound(),
        packs: report.packs,
        chunks: report.chunks,
        bytes: report.bytes,
        files: report.files,
        damaged_packs: damaged_packs.collect(),
        hurt_files: hurt_files.collect(),
        damaged_objects: damaged_objects.collect(),
        rescued_chunks: report.rescued_chunks,
        deleted_packs: report.deleted_packs,
        strange_objects: report.strange_objects,
    }
}

worked! {
    /// A stream that is read in pieces.
    struct ReaderResource(Pieces<Item>);
}

type Reader = ResourceArc<ReaderResource>;

/// A piece of a file, or a file in a list.
enum Item {
    Piece(bytes::Bytes),
    File(FileEntry),
}

impl Encoder for Item {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Self::Piece(piece) => Bytes(piece).encode(env),
            Self::File(FileEntry { root, length, committed, .. }) => {
                let time = committed.duration_since(UNIX_EPOCH).unwrap_or_default();
                (root.to_string(), *length, time.as_secs()).encode(env)
            }
        }
    }
}

impl Item {
    /// Its weight in bytes.
    fn weight(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.len(),
            Self::File(_) => 1 << 10,
        }
    }
}

/// Returns a reader of a file, or of a range of it, that the calling process owns.
#[rustler::nif]
fn store_read<'a>(
    env: Env<'a>,
    store: Store,
    root: &'a str,
    range: Option<(u64, u64)>,
) -> Result<Reader, StoreFailure> {
    let root: Root = root.parse()?;
    let (store, range) = (store.0.clone(), range.map(|(start, end)| start..end));
    let opened = async move { Ok::<_, StoreFailure>(store.read(&root, range).await?.err_into()) };
    Ok(reader(env, once(opened).try_flatten().map_ok(Item::Piece)))
}

/// Returns a reader, owned by the calling process, of a file as zstd frames, with its hashes put back.
#[rustler::nif]
fn store_read_zstd<'a>(
    env: Env<'a>,
    store: Store,
    root: &'a str,
    patches: Option<ResourceArc<PatchesResource>>,
) -> Result<Reader, StoreFailure> {
    let root: Root = root.parse()?;
    let store = store.0.clone();
    let restore = move |offset: u64, chunk: &bytes::Bytes| {
        let touching = patches.as_ref().map(|patches| &patches.0);
        let Some(patches) = touching.filter(|patches| patches.touch(&(offset..offset + chunk.len() as u64)))
        else {
            return Ok(None);
        };
        let mut restored = chunk.to_vec();
        patches.restore(offset, &mut restored)?;
        Ok(Some(restored.into()))
    };
    let opened = async move { Ok::<_, StoreFailure>(store.read_zstd(&root, restore).await?) };
    Ok(reader(env, once(opened).try_flatten().map_ok(Item::Piece)))
}

/// Returns a reader of the list of files that the calling process owns.
#[rustler::nif]
fn store_files(env: Env<'_>, store: Store) -> Result<Reader, StoreFailure> {
    let store = store.0.clone();
    let opened = async move { Ok::<_, StoreFailure>(store.manifests().await?.err_into()) };
    Ok(reader(env, once(opened).try_flatten().map_ok(Item::File)))
}

fn reader(env: Env<'_>, items: impl Stream<Item = Result<Item, StoreFailure>> + Send + 'static) -> Reader {
    owned(env, ReaderResource(Slot::new(Pieces::new(items.boxed()))))
}

/// Starts to read more: the result is a list of pieces, empty at the end.
#[rustler::nif]
fn reader_next<'a>(env: Env<'a>, reader: Reader, reference: Term<'a>) -> Result<Atom, StoreFailure> {
    start(env, reader, reference, |mut pieces: Pieces<Item>| async move {
        let next = pieces.next(Item::weight).await;
        (next.is_ok().then_some(pieces), next)
    })
}

/// Stops reading.
#[rustler::nif]
fn reader_close(reader: Reader) -> Atom {
    reader.0.close();
    rustler::types::atom::ok()
}

/// Bytes to send to the VM in one message.
const MOST: usize = 1 << 20;

/// Returns pieces that are ready together, because a message costs as much as thousands of bytes.
pub(crate) struct Pieces<T> {
    pieces: Fuse<BoxStream<'static, Result<T, StoreFailure>>>,
    error: Option<StoreFailure>,
}

impl<T> Pieces<T> {
    pub(crate) fn new(pieces: BoxStream<'static, Result<T, StoreFailure>>) -> Self {
        Self { pieces: pieces.fuse(), error: None }
    }

    /// Returns the next pieces, none at the end.
    pub(crate) async fn next(&mut self, weight: impl Fn(&T) -> usize) -> Result<Vec<T>, StoreFailure> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut next = self.pieces.next().await;
        let (mut pieces, mut total) = (Vec::new(), 0);
        loop {
            match next {
                Some(Ok(piece)) => {
                    total += weight(&piece);
                    pieces.push(piece);
                }
                Some(Err(error)) if pieces.is_empty() => return Err(error),
                Some(Err(error)) => {
                    self.error = Some(error);
                    return Ok(pieces);
                }
                None => return Ok(pieces),
            }
            if total >= MOST {
                return Ok(pieces);
            }
            match self.pieces.next().now_or_never() {
                Some(more) => next = more,
                None => return Ok(pieces),
            }
        }
    }
}
