//! A store of objects that anybody may have written: what it delivers has its digest, a range is that part of
//! the whole, and of everything else comes an error.
//!
//! The input is a list of objects: a byte of what kind each is, two bytes how long, little-endian, and that many
//! bytes. Footers and names get the right digests, so that the checks after these are reached too.

use chunker::Profile;
use chunker::chunking::ChunkDescriptor;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::host::Host;
use chunker_store::pack::format::{Encoding, Entry, HEAD, Place, checksum, footer};
use chunker_store::{CacheFolder, CheckOptions, ChunkId, CollectOptions, Root, Store, StoreOptions};
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Objects of one input at most, so that no case is slow.
const OBJECTS: usize = 12;

/// A machine that does everything at once.
#[derive(Debug, Default)]
struct Machine {
    drawn: AtomicU64,
}

impl Host for Machine {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(drawn.iter().cycle()).for_each(|(byte, drawn)| *byte = *drawn);
        Ok(())
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        std::thread::spawn(|| block_on(task));
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn parallelism(&self) -> usize {
        1
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("it needs nothing").block_on(future)
}

/// Objects in the making.
#[derive(Default)]
struct World {
    objects: Vec<(String, Vec<u8>)>,
    /// Chunks that some pack says it has: where the manifests that are made find theirs.
    chunks: Vec<(ChunkId, usize)>,
    /// The files whose chunks are whole in some pack.
    files: HashMap<Root, Vec<u8>>,
    contents: HashMap<ChunkId, Vec<u8>>,
}

fn name(number: usize) -> String {
    format!("019331c5-8f00-7000-8000-{number:012x}")
}

impl World {
    fn add(&mut self, kind: u8, bytes: &[u8]) {
        let algorithm = HashAlgorithm::ALL[usize::from(kind >> 7)];
        let named = |folder: &str, number| format!("{folder}/{}", name(number));
        let number = self.objects.len();
        match kind % 8 {
            0 | 1 => {
                let pack = self.pack(algorithm, bytes, kind % 8 == 1);
                self.objects.push((named("packs", number), pack));
            }
            2 => self.objects.push((named("packs", number), bytes.to_vec())),
            3 => self.manifest(algorithm, bytes),
            4 => {
                let root = Root::new(algorithm, algorithm.digest(bytes));
                self.objects.push((format!("manifests/{root}"), bytes.to_vec()));
            }
            5 => self.objects.push((named("pending", number), bytes.to_vec())),
            6 => {
                let doomed = bytes.iter().map(|pack| format!("{}\n", name(usize::from(*pack) % OBJECTS)));
                self.objects.push((named("dooms", number), doomed.collect::<String>().into()));
            }
            _ => self.objects.push((named("finished", number), bytes.to_vec())),
        }
    }

    /// Returns a pack of chunks, each as long as the byte before it says; `lies` about some.
    fn pack(&mut self, algorithm: HashAlgorithm, mut bytes: &[u8], lies: bool) -> Vec<u8> {
        let mut pack = HEAD.to_vec();
        let mut entries = Vec::new();
        while let Some((&length, rest)) = bytes.split_first() {
            let (chunk, rest) = rest.split_at((usize::from(length) + 1).min(rest.len()));
            bytes = rest;
            let (Ok(offset), Ok(stored)) = (u32::try_from(pack.len()), u32::try_from(chunk.len())) else {
                break;
            };
            if stored == 0 {
                break;
            }
            let lie = lies && length % 3 == 0;
            let (encoding, length) =
                if lie { (Encoding::Zstd, u32::from(length) * 16 + 1) } else { (Encoding::Raw, stored) };
            let id = ChunkId::new(algorithm, algorithm.digest(chunk));
            let entry = Entry { id, place: Place { encoding, length, offset, stored } };
            entries.push(entry);
            self.chunks.push((id, length as usize));
            if !lie {
                self.contents.insert(id, chunk.to_vec());
            }
            pack.extend_from_slice(chunk);
            pack.extend_from_slice(&checksum(&entry, chunk));
        }
        pack.extend_from_slice(&footer(&entries));
        pack
    }

    /// Adds the manifest of a file of these chunks, by their numbers.
    fn manifest(&mut self, algorithm: HashAlgorithm, numbers: &[u8]) {
        let mut offset = 0;
        let mut content = Some(Vec::new());
        let mut chunks = Vec::new();
        for number in numbers {
            let Some((id, length)) = self.chunks.get(usize::from(*number) % self.chunks.len().max(1)) else {
                break;
            };
            if id.algorithm != algorithm {
                continue;
            }
            let known = self.contents.get(id).filter(|chunk| chunk.len() == *length);
            content = content.zip(known).map(|(content, chunk)| [content, chunk.clone()].concat());
            chunks.push(ChunkDescriptor { hash: id.digest, offset, length: *length });
            offset += *length as u64;
        }
        let profile = Profile::new(64, 256, 1024).expect("these sizes are allowed").hash(algorithm);
        let Ok(manifest) = Manifest::new(profile, chunks) else { return };
        let root = Root::new(algorithm, manifest.root_digest());
        self.objects.push((format!("manifests/{root}"), manifest.to_bytes()));
        self.files.extend(content.map(|content| (root, content)));
    }
}

pub(crate) fn check(mut input: &[u8]) {
    let mut world = World::default();
    while let Some((&[kind, low, high], rest)) = input.split_first_chunk()
        && world.objects.len() < OBJECTS
    {
        let (bytes, rest) = rest.split_at(usize::from(u16::from_le_bytes([low, high])).min(rest.len()));
        input = rest;
        world.add(kind, bytes);
    }
    block_on(use_store(world));
}

async fn use_store(world: World) {
    let objects = Arc::new(InMemory::new());
    let host = Arc::new(Machine::default());
    let options = StoreOptions::new().cache(CacheFolder::None).manifest_limit(1 << 20);
    let opened =
        Store::over(Arc::clone(&objects) as Arc<dyn ObjectStore>, Path::default(), "", host, options).await;
    let store = opened.expect("there is nothing yet");
    for (name, bytes) in world.objects {
        objects.put(&name.into(), bytes.into()).await.expect("memory takes everything");
    }
    for (id, _) in &world.chunks {
        if let Ok(Some(chunk)) = store.get(id.algorithm, id.digest).await {
            assert_eq!(id.algorithm.digest(&chunk), id.digest);
        }
    }
    let read = async |root: &Root, range| {
        let pieces = async { store.read(root, range).await?.try_collect::<Vec<_>>().await };
        pieces.await.map(|pieces| pieces.concat())
    };
    let roots = store.roots().await.expect("memory can be listed");
    for (root, _) in &roots {
        let Ok(whole) = read(root, None).await else { continue };
        let (middle, length) = (whole.len() / 2, whole.len() as u64);
        assert_eq!(read(root, Some(length / 2..length)).await.expect("it was read whole"), whole[middle..]);
        assert_eq!(read(root, Some(0..length + 1)).await.expect("it was read whole"), whole);
        assert!(read(root, Some(length + 1..length + 1)).await.is_err());
        let content = world.files.get(root);
        assert!(content.is_none_or(|content| *content == whole), "{root}");
    }
    let lengths: Vec<_> =
        store.manifests().await.expect("as before").try_collect().await.expect("it can be read");
    assert_eq!(lengths.len(), roots.len());
    let report = store.check(CheckOptions::new().read_data(true)).await.expect("damage is no error");
    for root in world.files.keys() {
        let hurt = report.hurt_files.iter().any(|file| file.root == *root);
        assert!(hurt || read(root, None).await.is_ok(), "{root} is called sound");
    }
    let sound: Vec<_> =
        world.files.keys().filter(|root| !report.hurt_files.iter().any(|file| file.root == **root)).collect();
    for options in [CheckOptions::new().repair(true), CheckOptions::new().repair(true).read_data(true)] {
        store.check(options).await.expect("damage is no error");
    }
    drop(store.collect(CollectOptions::new().min_age(Duration::ZERO)).await);
    for root in sound {
        assert_eq!(read(root, None).await.expect("it was sound"), world.files[root]);
    }
}
