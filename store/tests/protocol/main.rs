//! What the engine promises: the laws of the protocol, and those of its own, without a socket.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[path = "../common/mod.rs"]
mod common;
mod suite;

use bytes::Bytes;
use chunker::Profile;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::protocol::wire::{Row, table};
use chunker_store::protocol::{
    Answer, AnswerBody, Begun, Engine, EngineOptions, Exchange, Operation, Origins, Refusal, RequestHead,
};
use chunker_store::{CacheFolder, CheckOptions, Store, StoreOptions};
use common::Folder;
use futures::future::{Either, select};
use futures::{FutureExt as _, StreamExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use suite::{Chunk, Received, Sent, Server};
use tokio::runtime::Runtime;

/// An engine with a store on a disk.
struct Local {
    folder: Folder,
    engine: Engine,
    store: Store,
    runtime: Runtime,
    /// Packs that make no progress.
    stalled: Mutex<Vec<Exchange>>,
}

impl Local {
    fn new() -> Self {
        Self::with(EngineOptions::new())
    }

    fn with(options: EngineOptions) -> Self {
        Self::over(options, |folder| (folder.to_str().unwrap().to_owned(), CacheFolder::None))
    }

    /// Returns one whose store is not on a disk, but has a cache there.
    fn remote() -> Self {
        Self::over(EngineOptions::new(), |folder| {
            ("memory://".to_owned(), CacheFolder::At(folder.to_owned()))
        })
    }

    fn over(options: EngineOptions, place: impl FnOnce(&Path) -> (String, CacheFolder)) -> Self {
        let folder = Folder::new();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (address, cache) = place(folder.path());
        let opened = Store::open(&address, StoreOptions::new().cache(cache));
        let store = runtime.block_on(opened).unwrap();
        Self { folder, engine: Engine::new(options).unwrap(), store, runtime, stalled: Mutex::default() }
    }

    /// Returns one on which packs that make no progress have all the memory that packs may take while they arrive, so
    /// that all others are spooled.
    fn beside_stalled_packs() -> Self {
        Self::new().with_stalled_packs()
    }

    fn with_stalled_packs(self) -> Self {
        let stalled = [32 << 20, 32 << 20, 32 << 20, 16 << 20].map(|length: u32| {
            let pack = Sent::new("POST", "/v1/packs/blake3").with("Content-Length", &length.to_string());
            let pack = pack.with("Content-Type", "application/octet-stream");
            let encoded = length / 4 - 42; // of each of four chunks
            let rows = (0..4).map(|n| Row { digest: [n; 32], length: encoded, encoded });
            self.runtime.block_on(async {
                let mut exchange = self.start(&pack).await.unwrap();
                exchange.push(table(&rows.collect::<Vec<_>>()).into()).await.unwrap();
                exchange
            })
        });
        assert_eq!(self.engine.memory_taken(), 128 << 20, "half of it");
        self.stalled.lock().unwrap().extend(stalled);
        self
    }

    async fn start(&self, request: &Sent) -> Result<Exchange, Answer> {
        match self.engine.begin(&head(request)) {
            Begun::Answer(answer) => Err(answer),
            Begun::Request(request) => request.start(&self.store).await.map_err(|answer| *answer),
        }
    }

    async fn exchange(&self, request: &Sent) -> Answer {
        let mut exchange = match self.start(request).await {
            Ok(exchange) => exchange,
            Err(answer) => return answer,
        };
        for piece in &request.body {
            if exchange.needs_body()
                && let Err(answer) = exchange.push(Bytes::copy_from_slice(piece)).await
            {
                return *answer;
            }
        }
        exchange.finish().await
    }

    /// Returns answers to readers of chunks that hold all the memory for lists.
    fn hold_all_lists(&self) -> Vec<Answer> {
        let mut held = Vec::new();
        let mut count: u32 = 1024;
        while count > 0 {
            // None of them is stored.
            let digests: Vec<_> = (0..count).map(|n| ALGORITHM.digest(&n.to_be_bytes())).collect();
            let read = suite::read_chunks(ALGORITHM, &digests);
            let waits = async {
                while self.engine.waiting() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            match self.runtime.block_on(select(Box::pin(self.exchange(&read)), Box::pin(waits))) {
                Either::Left((answer, _)) => held.push(answer),
                Either::Right(_) => count /= 2,
            }
        }
        held
    }

    /// Waits until all memory is given back.
    fn takes_nothing(&self) {
        becomes((0, 0), || (self.engine.memory_taken(), self.engine.waiting()));
    }

    /// Waits until nothing is stored and all memory is given back.
    fn holds_nothing(&self) {
        becomes((0, Vec::new()), || (self.engine.memory_taken(), self.files()));
        assert_eq!(self.engine.waiting(), 0);
    }

    /// Returns the files of the store, except for `format`.
    fn files(&self) -> Vec<PathBuf> {
        let folders = ["packs", "manifests", "pending", "tmp"].map(|folder| self.folder.path().join(folder));
        let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Waits until `state` is as `expected`.
fn becomes<T: PartialEq + std::fmt::Debug>(expected: T, state: impl Fn() -> T) {
    for _ in 0..500 {
        if state() == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(state(), expected);
}

fn head(request: &Sent) -> RequestHead {
    RequestHead::new(&request.method, &request.target, request.headers.clone())
}

async fn received(answer: Answer) -> Received {
    let mut whole = true;
    let declared = answer.header("content-length").map(|length| length.parse::<usize>().unwrap());
    let no_body = matches!(answer.body, AnswerBody::Empty);
    let body = match answer.body {
        AnswerBody::Empty => Vec::new(),
        AnswerBody::Bytes(bytes) => bytes.to_vec(),
        AnswerBody::Stream(mut pieces) => {
            let mut body = Vec::new();
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => body.extend_from_slice(&piece),
                    Err(_) => whole = false,
                }
            }
            body
        }
    };
    assert!(no_body || declared == Some(body.len()) || !whole, "{declared:?} and not {}", body.len());
    let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Received { status: answer.status, headers, body, whole }
}

impl Server for Local {
    fn send(&self, request: &Sent) -> Received {
        self.runtime.block_on(async { received(self.exchange(request).await).await })
    }

    fn store(&self) -> &Path {
        self.folder.path()
    }
}

suite::laws!(Local::new);

mod beside_stalled_packs {
    use super::{Local, suite};

    suite::laws!(Local::beside_stalled_packs);
}

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;

fn some_chunks(count: u64, length: usize) -> Vec<Chunk> {
    (0..count).map(|seed| Chunk::raw(ALGORITHM, &suite::noise(length, seed + 100))).collect()
}

/// Returns the chunks of a file, uncompressed.
fn chunks_of(file: &Manifest, data: &[u8]) -> Vec<Chunk> {
    file.chunks().iter().map(|chunk| Chunk::raw(ALGORITHM, chunk.slice(data).unwrap())).collect()
}

/// Returns a manifest whose head gives another length of the file.
fn with_length(manifest: &[u8], length: u64) -> Vec<u8> {
    let mut damaged = manifest.to_vec();
    let at = 9 + usize::from(manifest[8]);
    damaged[at..at + 8].copy_from_slice(&length.to_le_bytes());
    damaged
}

#[test]
fn a_file_whose_manifest_is_repaired_while_it_is_read_is_never_cut_short() {
    let local = Local::with(EngineOptions::new().pack_bytes(4 << 20).chunk_bytes(1 << 20).memory(8 << 20));
    let data = suite::noise(300_000, 16);
    let root = suite::upload(&local, &data, ALGORITHM);
    let path = local.folder.path().join("manifests").join(&root);
    let intact = std::fs::read(&path).unwrap();
    std::fs::write(&path, with_length(&intact, 200_000)).unwrap();
    let others = local.hold_all_lists(); // so that the file waits for some after its head was read
    local.runtime.block_on(async {
        let request = Sent::new("GET", &format!("/v1/files/{root}"));
        let repaired = async {
            while local.engine.waiting() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::fs::write(&path, intact).unwrap();
            drop(others);
        };
        let (answer, ()) = futures::join!(local.exchange(&request), repaired);
        received(answer).await.refused(500, "manifest_damaged");
        assert_eq!(received(local.exchange(&request).await).await.ok(200), data);
    });
}

#[test]
fn a_file_whose_manifest_is_damaged_is_never_taken_for_an_empty_one() {
    let local = Local::new();
    let root = suite::upload(&local, &suite::noise(300_000, 17), ALGORITHM);
    let path = local.folder.path().join("manifests").join(&root);
    std::fs::write(&path, with_length(&std::fs::read(&path).unwrap(), 0)).unwrap();
    let request = Sent::new("GET", &format!("/v1/files/{root}"));
    let answer = local.runtime.block_on(async { received(local.exchange(&request).await).await });
    answer.refused(500, "manifest_damaged");
    let empty = suite::upload(&local, &[], ALGORITHM);
    let request = Sent::new("GET", &format!("/v1/files/{empty}"));
    let answer = local.runtime.block_on(async { received(local.exchange(&request).await).await });
    assert_eq!(answer.ok(200), b"");
}

#[test]
fn an_upload_that_is_given_up_at_any_byte_leaves_nothing() {
    let local = Local::new();
    let request = suite::write_pack(ALGORITHM, &some_chunks(3, 70));
    let body = request.body.concat();
    for end in 0..=body.len() {
        local.runtime.block_on(async {
            let mut exchange = local.start(&request).await.unwrap();
            exchange.push(Bytes::copy_from_slice(&body[..end])).await.unwrap();
            assert_eq!(exchange.needs_body(), end < body.len());
        });
    }
    local.holds_nothing();
    for end in 0..body.len() {
        let cut = Sent { body: vec![body[..end].to_vec()], ..request.clone() };
        local.send(&cut).refused(400, "malformed_request");
    }
    let longer = Sent { body: vec![body.clone(), vec![0]], ..request.clone() };
    let mut exchange = local.runtime.block_on(local.start(&longer)).unwrap();
    let pushed = local.runtime.block_on(async {
        exchange.push(Bytes::from(body.clone())).await.unwrap();
        exchange.push(Bytes::from_static(b"x")).await
    });
    assert_eq!(pushed.unwrap_err().status, 400);
    assert!(!exchange.needs_body());
    assert_eq!(local.runtime.block_on(exchange.finish()).status, 400, "what is refused stays refused");
    local.holds_nothing();
}

#[test]
fn a_large_upload_that_is_given_up_leaves_nothing() {
    let local = Local::new();
    let request = suite::write_pack(ALGORITHM, &some_chunks(60, 100_000));
    let body = request.body.concat();
    for part in 1..8 {
        local.runtime.block_on(async {
            let mut exchange = local.start(&request).await.unwrap();
            for piece in body[..body.len() * part / 8].chunks(65_536) {
                exchange.push(Bytes::copy_from_slice(piece)).await.unwrap();
            }
        });
    }
    local.holds_nothing();
}

#[test]
fn a_pack_is_written_while_it_arrives_and_leaves_nothing_if_its_last_chunk_is_wrong() {
    let local = Local::new();
    let mut chunks = some_chunks(100, 100_000);
    chunks.last_mut().unwrap().digest[0] ^= 1;
    let body = suite::pack(&chunks);
    local.runtime.block_on(async {
        let mut exchange = local.start(&suite::write_pack(ALGORITHM, &chunks)).await.unwrap();
        let (most, rest) = body.split_at(body.len() - 1);
        for piece in most.chunks(65_536) {
            exchange.push(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let [draft] = &local.files()[..] else { panic!("{:?}", local.files()) };
        assert!(draft.starts_with(local.folder.path().join("tmp")));
        assert!(draft.metadata().unwrap().len() > 3_000_000);
        assert!(exchange.push(Bytes::copy_from_slice(rest)).await.is_ok());
        received(exchange.finish().await).await.refused(400, "chunk_digest_mismatch");
    });
    local.holds_nothing();
}

#[test]
fn a_push_that_is_cancelled_refuses_the_body() {
    let local = Local::new();
    let request = suite::write_pack(ALGORITHM, &some_chunks(100, 100_000));
    local.runtime.block_on(async {
        let mut exchange = local.start(&request).await.unwrap();
        assert!(exchange.push(request.body.concat().into()).now_or_never().is_none());
        assert!(!exchange.needs_body());
        received(exchange.finish().await).await.refused(400, "malformed_request");
    });
    local.holds_nothing();
}

#[test]
fn what_is_given_up_after_its_last_byte_is_stored_whole_or_not_at_all() {
    let local = Local::new();
    let data = suite::noise(3_000_000, 40);
    let file = suite::manifest(&data, ALGORITHM);
    let chunks = || chunks_of(&file, &data);
    let digests: Vec<_> = file.chunks().iter().map(|chunk| chunk.hash).collect();
    let give_up = |request: &Sent, after: Duration| {
        local.runtime.block_on(async {
            let mut exchange = local.start(request).await.unwrap();
            exchange.push(Bytes::from(request.body.concat())).await.unwrap();
            drop(tokio::time::timeout(after, exchange.finish()).await);
            while local.engine.memory_taken() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    };
    for step in 0..20 {
        give_up(&suite::write_pack(ALGORITHM, &chunks()), Duration::from_micros(step * step * 100));
        let missing = suite::missing(&local, ALGORITHM, &digests);
        assert!(missing.iter().all(|&bit| bit == missing[0]), "all or nothing");
    }
    local.send(&suite::write_pack(ALGORITHM, &chunks())).ok(200);
    for step in 0..20 {
        give_up(&suite::commit(&file), Duration::from_micros(step * step * 50));
        assert_eq!(std::fs::read_dir(local.store().join("pending")).map_or(0, Iterator::count), 0);
    }
    local.send(&suite::commit(&file)).ok(200);
    let check = CheckOptions::new().read_data(true);
    assert!(local.runtime.block_on(local.store.check(check)).unwrap().is_sound());
}

#[test]
fn a_commit_of_what_was_sent_waits_for_its_packs_and_for_no_others() {
    let local = Local::new();
    let data = suite::noise(600_000, 41);
    let file = suite::manifest(&data, ALGORITHM);
    let chunks = chunks_of(&file, &data);
    let (first, second) = chunks.split_at(chunks.len() / 2);
    let packs = [first, second].map(|chunks| suite::write_pack(ALGORITHM, chunks).body.concat());
    let target = format!("/v1/manifests/{}?expect=sent", suite::root(&file));
    let commit = Sent::new("PUT", &target).body(file.to_bytes());
    let other = Local::new();
    let begin = async |body: &[u8], store: &Store| {
        let request = Sent::new("POST", "/v1/packs/blake3").body(body.to_vec());
        let Begun::Request(request) = local.engine.begin(&head(&request)) else { unreachable!() };
        let mut exchange = request.start(store).await.unwrap();
        exchange.push(Bytes::copy_from_slice(&body[..body.len() - 1])).await.unwrap();
        exchange
    };
    let end = async |mut exchange: Exchange, body: &[u8]| {
        exchange.push(Bytes::copy_from_slice(&body[body.len() - 1..])).await.unwrap();
        assert_eq!(exchange.finish().await.status, 200);
    };
    let is_waiting =
        async |committing: &mut _| tokio::time::timeout(Duration::from_millis(50), committing).await.is_err();
    local.runtime.block_on(async {
        // Nothing arrives that it could wait for: another store's packs, or others' chunks, are not that.
        let unrelated = suite::write_pack(ALGORITHM, &some_chunks(3, 1000)).body.concat();
        let _elsewhere = begin(&packs[0], &other.store).await;
        let _unrelated = begin(&unrelated, &local.store).await;
        assert_eq!(local.exchange(&commit).await.status, 202);
        // What a pack has is unknown until its table has arrived.
        let request = suite::write_pack(ALGORITHM, &some_chunks(3, 2000));
        let mut without_table = local.start(&request).await.unwrap();
        let mut committing = Box::pin(local.exchange(&commit));
        assert!(is_waiting(&mut committing).await);
        without_table.push(Bytes::copy_from_slice(&request.body.concat()[..200])).await.unwrap();
        assert_eq!(committing.await.status, 202);
        // One of two packs is given up.
        let arriving = begin(&packs[0], &local.store).await;
        let given_up = begin(&packs[1], &local.store).await;
        let mut committing = Box::pin(local.exchange(&commit));
        assert!(is_waiting(&mut committing).await);
        end(arriving, &packs[0]).await;
        assert!(is_waiting(&mut committing).await);
        drop(given_up);
        let answer = received(committing.await).await;
        let missing: serde_json::Value = serde_json::from_slice(&answer.ok(202)).unwrap();
        assert_eq!(missing["count"], second.len());
        // It arrives after all.
        let arriving = begin(&packs[1], &local.store).await;
        let mut committing = Box::pin(local.exchange(&commit));
        assert!(is_waiting(&mut committing).await);
        end(arriving, &packs[1]).await;
        assert_eq!(committing.await.status, 201);
        // What is stored is not waited for.
        let _again = begin(&packs[1], &local.store).await;
        assert_eq!(local.exchange(&commit).await.status, 200);
    });
    assert!(suite::get(&local, &format!("/v1/files/{}", suite::root(&file))).ok(200) == data);
}

/// Commits a file while its pack is stored, beside a pack that makes no progress.
fn commit_beside_a_stalled_pack(seed: u64, begins_first: bool) {
    let local = Local::new();
    let data = suite::noise(300_000, seed);
    let file = suite::manifest(&data, ALGORITHM);
    let pack = suite::write_pack(ALGORITHM, &chunks_of(&file, &data));
    let commit = Sent::new("PUT", &format!("/v1/manifests/{}?expect=sent", suite::root(&file)));
    local.runtime.block_on(async {
        let mut stalled = local.start(&suite::write_pack(ALGORITHM, &some_chunks(1, 1000))).await.unwrap();
        stalled.push(Bytes::from_static(b"CPK1")).await.unwrap();
        let mut begun = if begins_first { Some(local.start(&pack).await.unwrap()) } else { None };
        let commit = commit.body(file.to_bytes());
        let committing = local.exchange(&commit);
        let storing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut arriving = match begun.take() {
                Some(begun) => begun,
                None => local.start(&pack).await.unwrap(),
            };
            arriving.push(Bytes::from(pack.body.concat())).await.unwrap();
            arriving.finish().await.status
        };
        let both = futures::future::join(committing, storing);
        let (committed, stored) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert_eq!((committed.status, stored), (201, 200));
        drop(stalled);
    });
}

#[test]
fn a_commit_notices_that_its_packs_are_stored_while_another_makes_no_progress() {
    commit_beside_a_stalled_pack(42, true);
}

#[test]
fn a_commit_notices_a_pack_that_arrives_after_it_while_another_makes_no_progress() {
    commit_beside_a_stalled_pack(43, false);
}

#[test]
fn a_commit_does_not_wait_long_for_a_pack_that_makes_no_progress() {
    let local = Local::new();
    let file = suite::manifest(&suite::noise(10_000, 49), ALGORITHM);
    let commit = Sent::new("PUT", &format!("/v1/manifests/{}?expect=sent", suite::root(&file)));
    let commit = commit.body(file.to_bytes());
    local.runtime.block_on(async {
        let _stalled = local.start(&suite::write_pack(ALGORITHM, &some_chunks(1, 1000))).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), local.exchange(&commit)).await.unwrap();
        let missing: serde_json::Value = serde_json::from_slice(&received(answer).await.ok(202)).unwrap();
        assert_eq!(missing["count"], file.chunks().len());
    });
}

#[test]
fn whoever_finds_no_memory_waits_and_whoever_finds_the_line_full_is_told_when_to_come_back() {
    let options = EngineOptions::new().pack_bytes(4 << 20).chunk_bytes(1 << 20).memory(8 << 20).line(2);
    let local = Local::with(options);
    let request = |seed: u64| {
        let chunks: Vec<_> =
            (0..4).map(|n| Chunk::raw(ALGORITHM, &suite::noise(900_000, seed * 10 + n))).collect();
        suite::write_pack(ALGORITHM, &chunks)
    };
    local.runtime.block_on(async {
        let first = local.start(&request(1)).await.unwrap();
        let (second, third) = (request(2), request(3));
        let mut second = Box::pin(local.start(&second));
        let mut third = Box::pin(local.start(&third));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        assert_eq!(local.engine.waiting(), 2);
        let fourth = local.start(&request(4)).await.unwrap_err();
        assert_eq!(fourth.header("retry-after"), Some("1"));
        received(fourth).await.refused(503, "server_busy");
        drop(first);
        drop(second.await.unwrap());
        drop(third.await.unwrap());
    });
    local.holds_nothing();
    std::thread::scope(|scope| {
        let uploads: Vec<_> = (10..13)
            .map(|seed| {
                scope.spawn({
                    let (local, request) = (&local, &request);
                    move || local.send(&request(seed)).ok(200)
                })
            })
            .collect();
        uploads.into_iter().for_each(|upload| drop(upload.join().unwrap()));
    });
    assert_eq!(local.engine.memory_taken(), 0);
}

#[test]
fn packs_that_make_no_progress_hold_up_no_others() {
    for local in [Local::new(), Local::remote()] {
        hold_up_no_others(local.with_stalled_packs());
    }
}

fn hold_up_no_others(local: Local) {
    let data = suite::noise(12_000_000, 44);
    let file = suite::manifest(&data, ALGORITHM);
    let pack = suite::write_pack(ALGORITHM, &chunks_of(&file, &data));
    let body = Bytes::from(pack.body.concat());
    let root = suite::upload(&local, &suite::noise(10_000, 50), ALGORITHM);
    let read = Sent::new("GET", &format!("/v1/files/{root}"));
    local.runtime.block_on(async {
        let taken = local.engine.memory_taken();
        let mut slow: Vec<_> =
            futures::future::join_all((0..40).map(|_| async { local.start(&pack).await.unwrap() })).await;
        for exchange in &mut slow {
            exchange.push(body.slice(..1_000_000)).await.unwrap();
        }
        assert_eq!(local.engine.waiting(), 0);
        let per_pack = (local.engine.memory_taken() - taken) / 40;
        assert!(per_pack < 200_000, "{per_pack}");
        // What needs much memory waits for none of them.
        let large =
            Sent::new("PUT", &format!("/v1/manifests/sha256-{}", "1".repeat(64))).body(vec![0; 30 << 20]);
        assert_eq!(local.exchange(&large).await.status, 400);
        assert_eq!(local.exchange(&read).await.status, 200);
        // A commit waits for them only if they have its chunks.
        let other = suite::manifest(&suite::noise(10_000, 45), ALGORITHM);
        let early = |file: &Manifest| {
            let target = format!("/v1/manifests/{}?expect=sent", suite::root(file));
            Sent::new("PUT", &target).body(file.to_bytes())
        };
        assert_eq!(local.exchange(&early(&other)).await.status, 202);
        let commit = early(&file);
        let committing = local.exchange(&commit);
        let mut first = slow.remove(0);
        let storing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            first.push(body.slice(1_000_000..)).await.unwrap();
            first.finish().await.status
        };
        assert_eq!(futures::future::join(storing, committing).await.0, 200);
    });
    assert!(suite::get(&local, &format!("/v1/files/{}", suite::root(&file))).ok(200) == data);
    local.stalled.lock().unwrap().clear();
    local.takes_nothing();
}

#[test]
fn bodies_that_make_no_progress_hold_up_no_others() {
    for local in [Local::new(), Local::remote()] {
        let data = suite::noise(600_000, 51);
        let profile: Profile = "fastcdc-v2020/nc1/64-256-1024/blake3".parse().unwrap();
        let file = Manifest::new(profile, chunker::chunking::chunk_descriptors(&data, profile)).unwrap();
        local.send(&suite::write_pack(ALGORITHM, &chunks_of(&file, &data))).ok(200);
        let (commit, body) = (suite::commit(&file), Bytes::from(file.to_bytes()));
        assert!(body.len() > 65_536, "it is spooled");
        let large = Sent::new("PUT", &format!("/v1/manifests/sha256-{}", "1".repeat(64)));
        let large = large.with("Content-Length", &(30 << 20).to_string());
        local.runtime.block_on(async {
            let mut stalled = Vec::new();
            for _ in 0..10 {
                stalled.push(local.start(&large).await.unwrap());
            }
            for exchange in &mut stalled {
                exchange.push(vec![0; 1 << 20].into()).await.unwrap();
            }
            let mut slow = Vec::new();
            for _ in 0..20 {
                slow.push(local.start(&commit).await.unwrap());
            }
            for exchange in &mut slow {
                exchange.push(body.slice(..50_000)).await.unwrap();
            }
            let digests: Vec<[u8; 32]> = file.chunks().iter().map(|chunk| chunk.hash).collect();
            let read = suite::read_chunks(ALGORITHM, &digests[..1000]);
            for _ in 0..500 {
                stalled.push(local.start(&read).await.unwrap());
            }
            assert_eq!(local.engine.waiting(), 0);
            let read = received(local.exchange(&read).await).await.ok(200);
            let length: usize = file.chunks()[..1000].iter().map(|chunk| chunk.length).sum();
            assert!(read.ends_with(&data[..length]));
            let known = received(local.exchange(&suite::ask_missing(ALGORITHM, &digests)).await).await;
            assert!(known.ok(200).iter().all(|bits| *bits == 0));
            let pack = suite::write_pack(ALGORITHM, &some_chunks(10, 100_000));
            assert_eq!(local.exchange(&pack).await.status, 200);
            for mut exchange in slow {
                exchange.push(body.slice(50_000..)).await.unwrap();
                assert!(matches!(exchange.finish().await.status, 200 | 201));
            }
        });
        assert!(suite::get(&local, &format!("/v1/files/{}", suite::root(&file))).ok(200) == data);
        local.takes_nothing();
    }
}

#[test]
fn lists_that_wait_for_slow_readers_hold_up_no_others() {
    let local = Local::with(EngineOptions::new().memory(64 << 20));
    let _slow = local.hold_all_lists();
    let digests: Vec<_> = (0..65_536_u32).map(|n| ALGORITHM.digest(&n.to_be_bytes())).collect();
    let read = suite::read_chunks(ALGORITHM, &digests);
    let ask = suite::ask_missing(ALGORITHM, &digests[..1]);
    local.runtime.block_on(async {
        let readers = Box::pin(futures::future::join_all((0..100).map(|_| local.exchange(&read))));
        let asking = Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            local.exchange(&ask).await.status
        });
        let asked = tokio::time::timeout(Duration::from_secs(20), select(readers, asking)).await;
        let Ok(Either::Right((status, _))) = asked else { panic!("the question waits for slow readers") };
        assert_eq!(status, 200);
    });
}

#[test]
fn a_server_keeps_what_it_learned_for_the_next_process() {
    let local = Local::remote();
    suite::upload(&local, &suite::noise(300_000, 71), ALGORITHM);
    becomes(1, || {
        let caches = std::fs::read_dir(local.folder.path()).unwrap();
        caches.filter_map(|cache| std::fs::read_dir(cache.unwrap().path()).ok()).flatten().count()
    });
}

#[test]
fn spooled_packs_that_become_complete_together_hold_up_no_others() {
    let local = Local::beside_stalled_packs();
    local.runtime.block_on(async {
        let mut complete = Vec::new();
        for n in 0..10 {
            let pack =
                suite::write_pack(ALGORITHM, &[Chunk::raw(ALGORITHM, &suite::noise(15 << 20, 60 + n))]);
            let mut exchange = local.start(&pack).await.unwrap();
            exchange.push(pack.body.concat().into()).await.unwrap();
            complete.push(exchange.finish());
        }
        let storing = futures::future::join_all(complete);
        let waits = async {
            while local.engine.waiting() < 7 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let Either::Right(((), storing)) = select(storing, Box::pin(waits)).await else { unreachable!() };
        // Nobody polls the packs now, so those that have the memory keep it.
        let ask = suite::ask_missing(ALGORITHM, &[[7; 32]]);
        let asking = tokio::time::timeout(Duration::from_secs(10), local.exchange(&ask)).await;
        assert_eq!(asking.unwrap().status, 200);
        assert!(storing.await.iter().all(|answer| answer.status == 200));
    });
}

#[test]
fn readers_wait_for_memory_without_holding_up_others() {
    let local = Local::new();
    let data = suite::noise(3_000_000, 52); // its list takes more than the little that is left
    let root = suite::upload(&local, &data, ALGORITHM);
    let held = local.hold_all_lists();
    suite::upload(&local, &suite::noise(300_000, 53), ALGORITHM);
    let targets = ["files/", "manifests/"].map(|part| format!("/v1/{part}{root}"));
    let targets = targets.into_iter().chain([format!("/v1/files/{root}/chunks")]);
    local.runtime.block_on(async {
        let requests: Vec<_> = targets.map(|target| Sent::new("GET", &target)).collect();
        let answers = requests.iter().map(|request| async { received(local.exchange(request).await).await });
        let released = async {
            while local.engine.waiting() < requests.len() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(held);
        };
        let (answers, ()) = futures::join!(futures::future::join_all(answers), released);
        answers.into_iter().for_each(|answer| drop(answer.ok(200)));
    });
    local.takes_nothing();
}

#[test]
fn a_commit_that_waits_for_its_packs_leaves_them_the_memory_to_arrive() {
    let local = Local::beside_stalled_packs();
    let data = suite::noise(30_000_000, 54);
    let file = suite::manifest(&data, ALGORITHM);
    let pack = suite::write_pack(ALGORITHM, &chunks_of(&file, &data));
    let body = Bytes::from(pack.body.concat());
    let target = format!("/v1/manifests/{}?expect=sent", suite::root(&file));
    let commit = Sent::new("PUT", &target).body(file.to_bytes());
    local.runtime.block_on(async {
        let mut arriving = local.start(&pack).await.unwrap();
        arriving.push(body.slice(..body.len() - 1)).await.unwrap();
        let storing = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            arriving.push(body.slice(body.len() - 1..)).await.unwrap();
            arriving.finish().await.status
        };
        assert_eq!(futures::join!(async { local.exchange(&commit).await.status }, storing), (201, 200));
    });
}

#[test]
fn readers_that_leave_while_they_wait_leave_no_task() {
    let local = Local::new();
    let root = suite::upload(&local, &suite::noise(300_000, 55), ALGORITHM);
    let chunk = Chunk::raw(ALGORITHM, &suite::noise(11 << 20, 56));
    let digest = hex::encode(chunk.digest);
    local.send(&suite::write_pack(ALGORITHM, &[chunk])).ok(200);
    let local = local.with_stalled_packs();
    local.runtime.block_on(async {
        let one = Sent::new("GET", &format!("/v1/chunks/{ALGORITHM}/{digest}"));
        let _slow = local.exchange(&one).await; // has all the memory to send that is left
        let get = Sent::new("GET", &format!("/v1/files/{root}"));
        let tasks = || local.runtime.metrics().num_alive_tasks();
        let before = tasks();
        for _ in 0..20 {
            let answer = tokio::time::timeout(Duration::from_millis(20), local.exchange(&get)).await;
            assert!(answer.is_err());
        }
        becomes(true, || tasks() <= before);
    });
}

/// Stores a file with chunks of up to 4 MiB, and returns its manifest.
fn upload_large(local: &Local, data: &[u8]) -> Manifest {
    let profile = Profile::LARGE.hash(ALGORITHM);
    let file = Manifest::new(profile, chunker::chunking::chunk_descriptors(data, profile)).unwrap();
    local.send(&suite::write_pack(ALGORITHM, &chunks_of(&file, data))).ok(200);
    local.send(&suite::commit(&file)).ok(201);
    file
}

#[test]
fn answers_are_the_same_while_memory_is_short() {
    let data = [suite::noise(9_000_000, 46), suite::mixed(5_000_000, 47)].concat();
    let answers = [Local::new(), Local::beside_stalled_packs()].map(|local| {
        let file = upload_large(&local, &data);
        let root = suite::root(&file);
        assert!(file.chunks().iter().any(|chunk| chunk.length > 1 << 20));
        let digests: Vec<[u8; 32]> = file.chunks().iter().map(|chunk| chunk.hash).collect();
        let mut requests = vec![
            Sent::new("GET", &format!("/v1/files/{root}")),
            suite::read_chunks(ALGORITHM, &digests),
            Sent::new("POST", "/v1/chunks/blake3/read?encoding=zstd").body(digests.concat()),
            Sent::new("GET", &format!("/v1/files/{root}/chunks")),
            Sent::new("GET", &format!("/v1/files/{root}/chunks?encoding=zstd")),
        ];
        let chunk = |digest| Sent::new("GET", &format!("/v1/chunks/blake3/{}", hex::encode(digest)));
        requests.extend(digests.iter().map(chunk));
        for range in ["5-5", "262143-262144", "1000000-8999999", "-1", "13999999-"] {
            requests.push(
                Sent::new("GET", &format!("/v1/files/{root}")).with("Range", &format!("bytes={range}")),
            );
        }
        let answers = requests.iter().map(|request| {
            let Received { status, headers, body, whole } = local.send(request);
            assert!(whole && matches!(status, 200 | 206), "{status} {}", request.target);
            (headers, body)
        });
        let answers: Vec<_> = answers.collect();
        assert!(answers[0].1 == data);
        answers
    });
    assert!(answers[0] == answers[1]);
}

#[test]
fn readers_that_make_no_progress_hold_up_no_others() {
    let local = Local::new();
    let data = suite::noise(20_000_000, 48);
    let root = suite::root(&upload_large(&local, &data));
    let read = Sent::new("GET", &format!("/v1/files/{root}"));
    local.runtime.block_on(async {
        let mut slow = Vec::new();
        for _ in 0..60 {
            let AnswerBody::Stream(mut body) = local.exchange(&read).await.body else { unreachable!() };
            let mut bytes = body.next().await.unwrap().unwrap().to_vec();
            // Some shells poll once more, and then leave it.
            if let Some(next) = body.next().now_or_never() {
                bytes.extend_from_slice(&next.unwrap().unwrap());
            }
            slow.push((bytes, body));
        }
        assert_eq!(local.engine.waiting(), 0);
        assert!(local.engine.memory_taken() <= 256 << 20);
        let pack = suite::write_pack(ALGORITHM, &some_chunks(10, 1_000_000));
        assert_eq!(local.exchange(&pack).await.status, 200);
        assert!(received(local.exchange(&read).await).await.ok(200) == data);
        for (mut bytes, mut body) in slow {
            while let Some(piece) = body.next().await {
                bytes.extend_from_slice(&piece.unwrap());
            }
            assert!(bytes == data);
        }
    });
    assert_eq!(local.engine.memory_taken(), 0);
}

#[test]
fn an_idle_server_takes_every_pack_even_if_nobody_may_wait() {
    for memory in [8 << 20, 64 << 20] {
        let local = Local::with(EngineOptions::new().pack_bytes(4 << 20).memory(memory).line(0));
        let chunks = some_chunks(4, 1_000_000);
        local.send(&suite::write_pack(ALGORITHM, &chunks)).ok(200);
    }
}

#[test]
fn a_reader_holds_memory_until_its_answer_is_dropped() {
    let local = Local::new();
    let data = suite::noise(9_000_000, 30);
    let root = suite::upload(&local, &data, ALGORITHM);
    local.runtime.block_on(async {
        let answers: Vec<_> = futures::stream::iter(0..20)
            .then(|_| async { local.exchange(&Sent::new("GET", &format!("/v1/files/{root}"))).await })
            .collect()
            .await;
        let taken = local.engine.memory_taken();
        assert!((20 << 20..=256 << 20).contains(&taken), "{taken}");
        for answer in answers {
            assert!(received(answer).await.ok(200) == data);
        }
    });
    assert_eq!(local.engine.memory_taken(), 0);
}

#[test]
fn a_shell_decides_before_anything_is_done() {
    let local = Local::new();
    let begun = |request: &Sent| match local.engine.begin(&head(request)) {
        Begun::Request(request) => request,
        Begun::Answer(answer) => panic!("{answer:?}"),
    };
    let write = begun(&suite::write_pack(ALGORITHM, &some_chunks(1, 1000)));
    assert_eq!((write.operation(), write.body_length()), (Operation::WritePack, 1048));
    assert!(write.operation().writes() && write.root().is_none());
    let root = format!("sha256-{}", "1".repeat(64));
    let delete = begun(&Sent::new("DELETE", &format!("/v1/files/{root}")));
    assert_eq!(delete.root().map(|root| root.to_string()), Some(root));
    let refused = |refusal| {
        let request = begun(&suite::write_pack(ALGORITHM, &some_chunks(1, 1000)));
        local.runtime.block_on(received(request.refuse(refusal)))
    };
    let unauthorized = refused(Refusal::unauthorized("Bearer"));
    assert_eq!(unauthorized.header("www-authenticate"), Some("Bearer"));
    unauthorized.refused(401, "unauthorized");
    refused(Refusal::forbidden()).refused(403, "forbidden");
    refused(Refusal::read_only()).refused(403, "read_only");
    refused(Refusal::insufficient_storage()).refused(507, "insufficient_storage");
    refused(Refusal::request_timeout()).refused(408, "request_timeout");
    let own = refused(Refusal::new(422, "no_cats", "no \"cats\"").with_header("X-Cats", "0"));
    assert_eq!((own.status, own.header("x-cats")), (422, Some("0")));
    assert_eq!(own.json(), serde_json::json!({ "code": "no_cats", "message": "no \"cats\"" }));
    local.holds_nothing();
}

#[test]
fn a_shell_learns_which_file_got_its_name() {
    let local = Local::new();
    let data = suite::noise(50_000, 31);
    let root = suite::upload(&local, &data, ALGORITHM);
    let again = local.runtime.block_on(local.exchange(&suite::commit(&suite::manifest(&data, ALGORITHM))));
    let committed = again.committed.unwrap();
    assert_eq!((committed.root.to_string(), committed.length, committed.new), (root, 50_000, false));
}

#[test]
fn preflights_are_answered_before_anybody_asks_who_it_is() {
    let origins = Origins::These(vec!["https://a.example".to_owned()]);
    let local = Local::with(EngineOptions::new().origins(origins).credentials(true).prefix("/store"));
    let preflight = Sent::new("OPTIONS", "/store/v1/packs/sha256")
        .with("Origin", "https://a.example")
        .with("Access-Control-Request-Method", "POST")
        .with("Access-Control-Request-Headers", "authorization,content-type");
    let answer = local.send(&preflight);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST, OPTIONS"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization,content-type"));
    assert!(answer.ok(204).is_empty());
    local.send(&Sent::new("GET", "/v1")).refused(404, "not_found");
    let refused = local.send(&Sent::new("GET", "/store/v1/no").with("Origin", "https://a.example"));
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://a.example"), "of any status");
    let get = local.send(&Sent::new("GET", "/store/v1").with("Origin", "https://b.example"));
    assert_eq!((get.status, get.header("access-control-allow-origin")), (200, None));
    assert_eq!(get.header("vary"), Some("Origin"));
}

#[test]
fn a_chunk_of_the_greatest_length_passes_both_ways() {
    let local = Local::new();
    let data = [suite::noise(8 << 20, 32), vec![0; 8 << 20]].concat();
    let (raw, zstd) = (Chunk::raw(ALGORITHM, &data[..]), Chunk::zstd(HashAlgorithm::Sha256, &data[..]));
    local.send(&suite::write_pack(ALGORITHM, &[Chunk { ..raw }])).ok(200);
    local.send(&suite::write_pack(HashAlgorithm::Sha256, &[Chunk { ..zstd }])).ok(200);
    for algorithm in HashAlgorithm::ALL {
        let digest = algorithm.digest(&data);
        for query in ["", "?encoding=zstd"] {
            let read =
                Sent::new("POST", &format!("/v1/chunks/{algorithm}/read{query}")).body(digest.to_vec());
            let chunks = suite::unpack(&local.send(&read).ok(200));
            assert!(chunks.len() == 1 && chunks[0].encoded == data, "no frame of a larger window is sent");
        }
        let one = Sent::new("GET", &format!("/v1/chunks/{algorithm}/{}", hex::encode(digest)));
        assert!(local.send(&one).ok(200) == data);
    }
    assert!(
        local.runtime.block_on(local.store.check(CheckOptions::new().read_data(true))).unwrap().is_sound()
    );
}
