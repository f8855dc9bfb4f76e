//! The whole system from a seed: clients, a network that loses, cuts, repeats, delays and changes what it
//! carries, servers with the protocol's engine, a collector, and objects that rot and have no room.
//!
//! Everything can crash wherever it waits. Whatever happens, a client is told `done` only of a file whose
//! bytes are the ones it read, what was acknowledged can be read through every server, wrong bytes never
//! leave a server, every client ends, and memory and space come back. A run that breaks a law is run again
//! without this and that, as long as it still breaks it, and what is left is printed.
//!
//! `CHUNKER_SIMULATE_SECONDS=1800` with the ignored test `simulate` runs for so long, from the seed
//! `CHUNKER_STORE_SEED`; without it, that variable runs one seed of each kind.

use super::executor::{Executor, Fault, Lot, NodeId, SimulatedHost};
use super::network::{ClientError, Network, Sent, Served};
use super::world::{Deleting, NodeObjects, World};
use super::{ALGORITHM, DAY, Setting, broken, file, seeds};
use crate::chunk::{ChunkId, Root};
use crate::collect::CollectOptions;
use crate::error::StoreError;
use crate::objects::{Folder, Objects};
use crate::options::{CacheFolder, StoreOptions};
use crate::protocol::{Engine, EngineOptions};
use crate::rules::Rule;
use crate::store::Store;
use crate::{CheckOptions, live};
use bytes::Bytes;
use chunker::manifest::Manifest;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

pub(super) const SERVERS: usize = 2;
const COLLECTOR: NodeId = SERVERS;
const FIRST_CLIENT: NodeId = COLLECTOR + 1;
const CLIENTS: usize = 3;
/// What makes bits rot.
const NATURE: NodeId = FIRST_CLIENT + CLIENTS;
const NODES: usize = NATURE + 1;
/// Who looks at the end.
const END: NodeId = NODES;
/// Different files.
const FILES: u64 = 8;
/// How often a client sends chunks that were collected meanwhile before it gives up.
const ROUNDS: usize = 6;
/// Steps after which a run does not end any more.
const MOST_STEPS: u64 = 500_000;

/// Defects that a run may have on purpose, to see whether it finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// A server stores the chunks of a pack without checking them.
    UnverifiedPack,
    /// Objects are called written before they are durable.
    EarlyPut,
    /// A server acknowledges a commit before it happens.
    EarlyCommit,
    /// A server sends what is stored as it is.
    UnverifiedRead,
    /// A server forgets the memory of those who leave.
    LostMemory,
    /// A client takes an answer that is lost for a success.
    LostIsDone,
    /// A client that starts over trusts what it noted of another file.
    ResumedOnTrust,
    /// A client takes what was cut for the whole.
    CutIsWhole,
    /// A client sends everything again for ever.
    EndlessRetry,
}

/// A kind of run.
#[derive(Clone, Debug)]
pub(super) struct SystemSetting {
    objects: Setting,
    pub(super) network: Network,
    /// Percentage of the times that a task waits at which its node crashes.
    mortality: f64,
    rots: bool,
    pub(super) planted: Option<Planted>,
}

impl SystemSetting {
    fn over(mut objects: Setting) -> Self {
        objects.faults.pauses = 0.2;
        Self { objects, network: Network::rough(), mortality: 0.03, rots: false, planted: None }
    }

    fn disk() -> Self {
        Self::over(Setting::disk())
    }

    fn s3() -> Self {
        Self::over(Setting::s3())
    }

    fn late_lists() -> Self {
        Self::over(Setting::late_lists())
    }

    fn full() -> Self {
        let mut setting = Self::disk();
        setting.objects.faults.full = 5.0;
        setting
    }

    fn rotting() -> Self {
        Self { rots: true, ..Self::disk() }
    }

    const ALL: [Kind; 5] = [
        ("disk", Self::disk),
        ("s3", Self::s3),
        ("late lists", Self::late_lists),
        ("full disks", Self::full),
        ("rotting disks", Self::rotting),
    ];

    fn with(mut self, planted: Planted) -> Self {
        self.objects.faults.early = planted == Planted::EarlyPut;
        self.rots |= planted == Planted::UnverifiedRead;
        // More crashes find what is not durable. Without any, no crash ends a client that never would.
        match planted {
            Planted::EarlyPut => self.mortality = 0.3,
            Planted::EndlessRetry => self.mortality = 0.0,
            _ => {}
        }
        self.planted = Some(planted);
        self
    }
}

/// The name of a kind of run, and what makes its setting.
type Kind = (&'static str, fn() -> SystemSetting);

/// What a node does next.
#[derive(Clone, Debug)]
struct Action {
    rest: Duration,
    server: usize,
    work: Work,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Upload(u64),
    ReadFile(u64),
    ReadChunks(u64),
    Delete(u64),
    List,
    Collect,
    Rot,
}

/// Returns what every node does, from the seed alone.
fn scripts(seed: u64, setting: &SystemSetting) -> Vec<Vec<Action>> {
    let script = |node: NodeId| {
        let mut lot = Lot::new(Lot::new(seed).next() ^ node as u64);
        let turns = match node {
            COLLECTOR => setting.objects.turns / 2,
            NATURE => 4 * u64::from(setting.rots),
            0..SERVERS => 0,
            _ => setting.objects.turns,
        };
        let action = |_| {
            let rest = if lot.chance(60.0) { Duration::from_secs(5) } else { setting.objects.rest };
            let number = lot.below(FILES);
            let work = match (node, lot.below(12)) {
                (COLLECTOR, _) => Work::Collect,
                (NATURE, _) => Work::Rot,
                (_, 0..5) => Work::Upload(number),
                (_, 5..7) => Work::ReadFile(number),
                (_, 7..9) => Work::ReadChunks(number),
                (_, 9..11) => Work::Delete(number),
                _ => Work::List,
            };
            let server = lot.index(SERVERS);
            Action { rest: lot.up_to(rest), server, work, seed: lot.next() }
        };
        (0..turns).map(action).collect()
    };
    (0..NODES).map(script).collect()
}

/// What of a run is left out.
#[derive(Clone, Debug, Default)]
struct Without {
    actions: BTreeSet<(NodeId, usize)>,
    /// The faults that may happen, or all.
    faults: Option<BTreeSet<Fault>>,
}

/// One run.
pub(super) struct System {
    pub(super) executor: Arc<Executor>,
    pub(super) world: Arc<World>,
    pub(super) setting: SystemSetting,
    myself: Weak<System>,
    pub(super) servers: Mutex<[Option<Served>; SERVERS]>,
    scripts: Vec<Vec<Action>>,
    without: Without,
    /// The action that each node is at.
    next: Mutex<[usize; NODES]>,
    /// How actions ended.
    ends: Mutex<BTreeMap<String, u64>>,
}

/// How a run failed.
struct Failure {
    message: String,
    log: Vec<String>,
    actions: BTreeSet<(NodeId, usize)>,
    faults: BTreeSet<Fault>,
}

impl Failure {
    /// The law that was broken.
    fn law(&self) -> &str {
        self.message.split([':', '\n']).next().unwrap_or_default()
    }
}

/// What many runs did.
#[derive(Debug, Default)]
struct Totals {
    runs: u64,
    steps: u64,
    faults: u64,
    crashes: u64,
    ends: BTreeMap<String, u64>,
}

impl System {
    fn new(seed: u64, setting: SystemSetting, without: Without) -> Arc<Self> {
        let executor = Executor::new(seed);
        let world = World::new(Arc::clone(&executor), setting.objects.faults.clone());
        if let Some(faults) = &without.faults {
            executor.allow_only(faults.clone());
        }
        let scripts = scripts(seed, &setting);
        Arc::new_cyclic(|myself| Self {
            myself: myself.clone(),
            executor,
            world,
            setting,
            servers: Mutex::default(),
            scripts,
            without,
            next: Mutex::default(),
            ends: Mutex::default(),
        })
    }

    fn run(self: &Arc<Self>) {
        self.executor.set_mortality(self.setting.mortality);
        self.executor.limit_steps(MOST_STEPS);
        for node in 0..NODES {
            self.start(node, Duration::ZERO);
        }
        let run = Arc::clone(self);
        self.executor.run(move |node| {
            run.world.crashed(node);
            if let Some(server) = run.servers.lock().unwrap().get_mut(node) {
                *server = None;
            }
            let rest = run.executor.draw(|lot| lot.up_to(Duration::from_secs(20)));
            run.start(node, rest);
        });
        let next = *self.next.lock().unwrap();
        if let Some(node) = (0..NODES).find(|&node| next[node] < self.scripts[node].len()) {
            let action = &self.scripts[node][next[node]];
            broken("every client ends", format!("n{node} still waits: {action:?}"));
        }
        self.memory_is_back();
        self.world.calm();
        self.executor.set_mortality(0.0);
        self.executor.spawn(END, Box::pin(Arc::clone(self).end()));
        self.executor.run(|_| {});
        self.memory_is_back();
        self.executor.clear();
        self.servers.lock().unwrap().fill(None);
    }

    fn memory_is_back(&self) {
        for (engine, _) in self.servers.lock().unwrap().iter().flatten() {
            let left = (engine.memory_taken(), engine.waiting());
            if left != (0, 0) {
                broken("memory comes back", format!("{left:?} (bytes taken, requests waiting)"));
            }
        }
    }

    fn start(self: &Arc<Self>, node: NodeId, rest: Duration) {
        let run = Arc::clone(self);
        let life = async move {
            run.executor.sleep(rest).await;
            match node {
                0..SERVERS => {
                    let store = run.open(node).await;
                    let engine =
                        Engine::new(EngineOptions::new().pack_bytes(4 << 20).memory(8 << 20)).unwrap();
                    run.servers.lock().unwrap()[node] = Some((engine, store));
                }
                COLLECTOR => {
                    let store = run.open(node).await;
                    run.live(node, Some(store)).await;
                }
                _ => run.live(node, None).await,
            }
        };
        self.executor.spawn(node, Box::pin(life));
    }

    async fn open(&self, node: NodeId) -> Store {
        loop {
            let (world, executor) = (Arc::clone(&self.world), Arc::clone(&self.executor));
            let objects: Arc<dyn Objects> = Arc::new(NodeObjects { world, executor, node });
            let most = i64::try_from(self.setting.objects.skew).unwrap();
            let skew = self.executor.draw(|lot| lot.below(2 * most.unsigned_abs() + 1));
            let skew = i64::try_from(skew).unwrap() - most;
            let host = Arc::new(SimulatedHost { executor: Arc::clone(&self.executor), node, skew });
            let options =
                StoreOptions::new().cache(CacheFolder::None).pack_size(1024).level(0).concurrency(3);
            let options = options.listing_lag(self.setting.objects.faults.lag);
            if let Ok(store) = Store::open_with(objects, host, options, self.setting.objects.rules).await {
                return store;
            }
            self.executor.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Does what a node has not done yet.
    async fn live(&self, node: NodeId, store: Option<Store>) {
        loop {
            let at = self.next.lock().unwrap()[node];
            let Some(action) = self.scripts[node].get(at).cloned() else { return };
            if !self.without.actions.contains(&(node, at)) {
                self.executor.sleep(action.rest).await;
                self.executor.begin(node, at as u64);
                self.act(node, &action, store.as_ref()).await;
            }
            self.next.lock().unwrap()[node] = at + 1;
        }
    }

    async fn act(&self, node: NodeId, action: &Action, store: Option<&Store>) {
        let Action { server, work, seed, .. } = *action;
        self.world.log(node, format!("begins {work:?} at server {server}"));
        let end = match (work, store) {
            (Work::Upload(number), _) => self.upload(node, server, number).await,
            (Work::ReadFile(number), _) => self.read_file(node, server, number, seed).await,
            (Work::ReadChunks(number), _) => self.read_chunks(node, server, number, seed).await,
            (Work::Delete(number), _) => self.delete(node, server, number).await,
            (Work::List, _) => self.list(node, server).await,
            (Work::Rot, _) => {
                self.world.rot(node, &mut Lot::new(seed));
                Ok(())
            }
            (Work::Collect, store) => self.collect(store.unwrap(), seed).await,
        };
        self.world.log(node, format!("ends {work:?}: {end:?}"));
        let word = format!("{work:?}");
        let word = word.split('(').next().unwrap_or_default();
        let code = end.map_or_else(|ClientError(code)| code, |()| "done".to_owned());
        *self.ends.lock().unwrap().entry(format!("{word} {code}")).or_default() += 1;
    }

    async fn collect(&self, store: &Store, seed: u64) -> Result<(), ClientError> {
        let mut lot = Lot::new(seed);
        let age = if lot.chance(80.0) { Duration::ZERO } else { DAY };
        let waste = if lot.chance(50.0) { 1 } else { 100 };
        let collected = store.collect(CollectOptions::new().min_age(age).max_waste(waste)).await;
        match collected {
            Ok(_) => Ok(()),
            Err(error @ StoreError::Object(_)) => Err(ClientError(error.code().to_owned())),
            Err(error) if self.setting.rots => Err(ClientError(error.code().to_owned())),
            Err(error) => broken("a collection fails only with its objects", format!("{error:?}")),
        }
    }

    /// Puts a file as the client of the npm package does: asks, or commits what may be known, sends, commits, and
    /// sends again what was collected meanwhile.
    async fn upload(&self, node: NodeId, server: usize, number: u64) -> Result<(), ClientError> {
        let (manifest, contents) = numbered(number);
        let read = root_of(&manifest);
        let chunks: Vec<ChunkId> = live::chunks(&manifest).collect();
        // The file changes after it was read once: its chunks are read again when they are sent.
        let changes = self.executor.hits(node, self.setting.network.changes);
        let changed = changes.then(|| chunks[self.executor.draw(|lot| lot.index(chunks.len()))]);
        if let Some(id) = changed {
            self.world.log(node, format!("has {id} changed"));
        }
        let mut missing = if self.executor.hits(node, 50.0) {
            let deletes = self.world.deletes_of(&read);
            let answer = self.ask(node, server, &Sent::commit(read, "?expect=known", &manifest)).await?;
            if !matches!(answer.status, 202 | 409) {
                self.done(node, number, self.trusted(number), chunks, deletes);
                return Ok(());
            }
            answer.missing()
        } else {
            self.ask_missing(node, server, &chunks).await?
        };
        for _ in 0..ROUNDS {
            for ids in missing.chunks(3) {
                let bytes = |id: &ChunkId| {
                    let mut bytes = contents[&id.digest].to_vec();
                    bytes[0] ^= u8::from(Some(*id) == changed);
                    (*id, Bytes::from(bytes))
                };
                let bodies: Vec<_> = ids.iter().map(bytes).collect();
                let pack = Sent::pack(&bodies, number.is_multiple_of(2), changed.is_some());
                let sent = self.ask(node, server, &pack);
                if ids.last() != missing.last() || !self.executor.hits(node, 50.0) {
                    sent.await?;
                    continue;
                }
                let deletes = self.world.deletes_of(&read);
                let commit = Sent::commit(read, "?expect=sent", &manifest);
                let (sent, committed) = futures::future::join(sent, self.ask(node, server, &commit)).await;
                sent?;
                if committed.is_ok_and(|answer| !matches!(answer.status, 202 | 409)) {
                    self.done(node, number, self.trusted(number), chunks, deletes);
                    return Ok(());
                }
            }
            let deletes = self.world.deletes_of(&read);
            let committed = self.ask(node, server, &Sent::commit(read, "", &manifest)).await;
            match committed {
                Ok(answer) if answer.status == 409 => missing = answer.missing(),
                Ok(_) => {
                    self.done(node, number, self.trusted(number), chunks, deletes);
                    return Ok(());
                }
                Err(ClientError(code)) if code == LOST && self.has(Planted::LostIsDone) => {
                    self.done(node, number, read, chunks, deletes);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Err(ClientError("commit_contended".to_owned()))
    }

    /// Returns the root that the client reports as done.
    fn trusted(&self, number: u64) -> Root {
        let number = if self.has(Planted::ResumedOnTrust) { number / 2 * 2 } else { number };
        root_of(&numbered(number).0)
    }

    pub(super) fn shared(&self) -> Arc<Self> {
        self.myself.upgrade().unwrap()
    }

    pub(super) fn has(&self, planted: Planted) -> bool {
        self.setting.planted == Some(planted)
    }

    /// A client was told that its file is stored.
    fn done(&self, node: NodeId, number: u64, root: Root, chunks: Vec<ChunkId>, deletes: u64) {
        if root != root_of(&numbered(number).0) {
            broken("done names what was read", format!("{root} is not file {number}"));
        }
        self.world.log(node, format!("acknowledged {root}"));
        self.world.promise(root, chunks, deletes);
    }

    async fn ask_missing(
        &self,
        node: NodeId,
        server: usize,
        chunks: &[ChunkId],
    ) -> Result<Vec<ChunkId>, ClientError> {
        let answer = self.ask(node, server, &Sent::missing(chunks)).await?;
        let bit = |index: usize| answer.body.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
        Ok(chunks.iter().enumerate().filter(|&(index, _)| bit(index)).map(|(_, id)| *id).collect())
    }

    /// Reads a file or a range of it, and goes on where it was cut.
    async fn read_file(
        &self,
        node: NodeId,
        server: usize,
        number: u64,
        seed: u64,
    ) -> Result<(), ClientError> {
        let file = Expected::of(self, number);
        let length = file.bytes.len();
        let mut lot = Lot::new(seed);
        let range = if lot.chance(50.0) {
            0..length
        } else {
            let start = lot.index(length);
            start..start + 1 + lot.index(length - start)
        };
        let mut got = range.start;
        while got < range.end {
            let sent = Sent::range(file.root, got..range.end, &file.bytes).of_chunks(&file.chunks);
            let answer = self.ask(node, server, &sent).await.map_err(|error| file.judge(self, error))?;
            if answer.body.is_empty() || answer.body[..] != file.bytes[got..got + answer.body.len()] {
                broken("a reader gets the file's bytes", format!("not {got}.. of {}", file.root));
            }
            got += answer.body.len();
            if !answer.whole && self.has(Planted::CutIsWhole) {
                broken("a reader gets the file's bytes", format!("{got} of {} of {}", range.end, file.root));
            }
        }
        Ok(())
    }

    /// Reads a file as the client does, and verifies each chunk: all in one answer, or the manifest, then the
    /// chunks.
    async fn read_chunks(
        &self,
        node: NodeId,
        server: usize,
        number: u64,
        seed: u64,
    ) -> Result<(), ClientError> {
        let file = Expected::of(self, number);
        let judge = |error| file.judge(self, error);
        let mut lot = Lot::new(seed);
        let encoded = lot.chance(50.0);
        let chunks = if lot.chance(50.0) {
            let ids: Vec<ChunkId> = live::chunks(&numbered(number).0).collect();
            let sent = Sent::download(file.root, &ids, encoded);
            let answer = self.ask(node, server, &sent).await.map_err(judge)?;
            super::network::unpack_download(&answer.body, file.root, &ids).unwrap()
        } else {
            let manifest = self.ask(node, server, &Sent::manifest(file.root)).await.map_err(judge)?;
            let manifest = Manifest::parse(&manifest.body, usize::MAX).unwrap();
            let ids: Vec<ChunkId> = live::chunks(&manifest).collect();
            let answer = self.ask(node, server, &Sent::chunks(&ids, encoded)).await.map_err(judge)?;
            super::network::unpack(&answer.body, &ids).unwrap()
        };
        let chunks: Option<Vec<Bytes>> = chunks.into_iter().collect();
        let Some(chunks) = chunks else {
            return Err(file.judge(self, ClientError("chunk_not_found".to_owned())));
        };
        if chunks.concat() != file.bytes {
            broken("a reader gets the file's bytes", format!("other chunks of {}", file.root));
        }
        Ok(())
    }

    async fn delete(&self, node: NodeId, server: usize, number: u64) -> Result<(), ClientError> {
        let root = root_of(&numbered(number).0);
        // It is under way until the last repetition of the request is.
        let deleting: Arc<Deleting> = Arc::new(self.world.begin_delete(root));
        self.ask(node, server, &Sent::delete(root, deleting)).await.map(drop)
    }

    async fn list(&self, node: NodeId, server: usize) -> Result<(), ClientError> {
        let promised = self.world.promised();
        let before: Vec<_> = promised.into_iter().map(|root| (root, self.world.deletes_of(&root))).collect();
        let answer = self.ask(node, server, &Sent::list()).await?;
        let list = String::from_utf8(answer.body).unwrap();
        for (root, deletes) in before {
            let stays = self.world.is_promised(&root) && self.world.deletes_of(&root) == deletes;
            if stays && self.setting.objects.faults.lag.is_zero() && !list.contains(&root.to_string()) {
                self.world.fail("what was acknowledged is listed", &root, None);
            }
        }
        Ok(())
    }

    /// Nothing fails any more: all that was acknowledged is read through every server, what has rotted is
    /// healed by an upload, and all space comes back.
    async fn end(self: Arc<Self>) {
        self.executor.sleep(DAY + Duration::from_hours(1)).await;
        let store = self.open(END).await;
        for number in 0..FILES {
            let (manifest, _) = numbered(number);
            let (root, chunks) = (root_of(&manifest), live::chunks(&manifest).collect::<Vec<_>>());
            if !self.world.is_promised(&root) {
                continue;
            }
            for server in 0..SERVERS {
                let mut read = self.read_file(END, server, number, 0).await;
                for _ in 0..ROUNDS {
                    if read.is_ok() || !self.world.is_rotten(&root, &chunks) {
                        break;
                    }
                    let _healed = self.upload(END, server, number).await;
                    read = self.read_file(END, server, number, 0).await;
                }
                if let Err(error) = read {
                    broken(
                        "what was acknowledged is read through every server",
                        format!("{root}: {error:?}"),
                    );
                }
            }
        }
        let options = || CheckOptions::new().read_data(true);
        if self.setting.rots {
            // A file that was deleted while its manifest was rotten may still have its name.
            for name in self.world.names(Folder::Manifests) {
                let root: Root = name["manifests/".len()..].parse().unwrap();
                if !self.world.is_promised(&root) {
                    store.delete(&root).await.unwrap();
                }
            }
            for _ in 0..ROUNDS {
                let report = store.check(options().repair(true)).await.unwrap();
                for number in 0..FILES {
                    let root = root_of(&numbered(number).0);
                    if report.hurt_files.iter().any(|file| file.root == root) {
                        let _healed = self.upload(END, 0, number).await;
                    }
                }
            }
        }
        let report = store.check(options()).await.unwrap();
        let incomplete_names = !self.setting.objects.faults.renames; // rule 6
        if !report.is_sound() && !incomplete_names {
            broken("a check at the end finds nothing", format!("{report:?}"));
        }
        // A commit of the uploads above may arrive once more.
        self.executor.sleep(Duration::from_hours(1)).await;
        for name in self.world.names(Folder::Manifests) {
            let root: Root = name["manifests/".len()..].parse().unwrap();
            let _deleting = self.world.begin_delete(root);
            store.delete(&root).await.unwrap();
        }
        for _ in 0..3 {
            store.collect(CollectOptions::new().min_age(Duration::ZERO)).await.unwrap();
            self.executor.sleep(DAY + Duration::from_hours(1)).await;
        }
        store.collect(CollectOptions::new()).await.unwrap();
        for folder in Folder::ALL {
            let left = self.world.names(folder);
            if !left.is_empty() {
                broken("space comes back", format!("left: {left:?}"));
            }
        }
        // The run has no more to say about its end.
        self.ends.lock().unwrap().entry("ended".to_owned()).and_modify(|ends| *ends += 1).or_insert(1);
    }
}

/// What a client knows of a file that it reads.
struct Expected {
    root: Root,
    chunks: Vec<ChunkId>,
    bytes: Vec<u8>,
    deletes: u64,
    promised: bool,
}

impl Expected {
    fn of(system: &System, number: u64) -> Self {
        let (manifest, contents) = numbered(number);
        let (root, chunks) = (root_of(&manifest), live::chunks(&manifest).collect::<Vec<_>>());
        let bytes = chunks.iter().flat_map(|id| contents[&id.digest].to_vec()).collect();
        let (deletes, promised) = (system.world.deletes_of(&root), system.world.is_promised(&root));
        Self { root, chunks, bytes, deletes, promised }
    }

    /// Returns whether a reader may fail so; what was acknowledged and not deleted can only be out of reach, or
    /// rotten and called so.
    fn judge(&self, system: &System, error: ClientError) -> ClientError {
        let world = &system.world;
        let stays =
            self.promised && world.is_promised(&self.root) && world.deletes_of(&self.root) == self.deletes;
        let lost = matches!(
            error.0.as_str(),
            "root_not_found" | "chunk_not_found" | "chunk_damaged" | "manifest_damaged"
        );
        if stays && lost && !world.is_rotten(&self.root, &self.chunks) {
            world.fail(&format!("what was acknowledged is read: {}", error.0), &self.root, None);
        }
        error
    }
}

/// The code of a client whose requests got no answer.
pub(super) const LOST: &str = "network_error";

pub(super) fn root_of(manifest: &Manifest) -> Root {
    Root::new(ALGORITHM, manifest.root_digest())
}

/// Returns file `number` and what its chunks hold.
fn numbered(number: u64) -> (Manifest, BTreeMap<[u8; 32], Bytes>) {
    let first = number * 5;
    file((first..=first + number % 5).map(|index| index % super::CHUNKS))
}

/// Runs a seed, and says how it failed if it did.
fn try_run(seed: u64, setting: &SystemSetting, without: &Without, totals: &mut Totals) -> Option<Failure> {
    let system = System::new(seed, setting.clone(), without.clone());
    let result = catch_unwind(AssertUnwindSafe(|| system.run()));
    let counts = system.world.counts();
    totals.runs += 1;
    totals.steps += system.executor.steps();
    totals.faults += system.executor.happened().len() as u64;
    totals.crashes += counts.crashes;
    for (end, count) in system.ends.lock().unwrap().iter() {
        *totals.ends.entry(end.clone()).or_default() += count;
    }
    let panic = result.err()?;
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    let actions = (0..NODES).flat_map(|node| (0..system.scripts[node].len()).map(move |at| (node, at)));
    let failure = Failure {
        message: message.unwrap_or_default(),
        log: system.world.whole_log(),
        actions: actions.filter(|action| !without.actions.contains(action)).collect(),
        faults: system.executor.happened().into_iter().collect(),
    };
    system.executor.clear();
    system.servers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(None);
    Some(failure)
}

/// How long a run that fails is made smaller.
const PATIENCE: Duration = Duration::from_secs(30);

/// Leaves out of a run that fails what it does not need to break the same law.
fn shrink(seed: u64, setting: &SystemSetting, mut failure: Failure) -> Failure {
    let start = Instant::now();
    let mut left_out = BTreeSet::new();
    let law = failure.law().to_owned();
    loop {
        let before = (failure.actions.len(), failure.faults.len());
        let mut size = failure.actions.len().max(failure.faults.len());
        while size > 0 {
            let mut from = 0;
            while from < failure.actions.len().max(failure.faults.len()) {
                if start.elapsed() > PATIENCE {
                    return failure;
                }
                for of_actions in [true, false] {
                    let mut actions = left_out.clone();
                    let mut faults = failure.faults.clone();
                    if of_actions {
                        actions.extend(failure.actions.iter().skip(from).take(size));
                    } else {
                        let dropped = faults.iter().copied().skip(from).take(size).collect();
                        faults = &faults - &dropped;
                    }
                    if actions == left_out && faults == failure.faults {
                        continue;
                    }
                    let without = Without { actions, faults: Some(faults) };
                    let smaller = try_run(seed, setting, &without, &mut Totals::default());
                    if let Some(smaller) = smaller.filter(|smaller| smaller.law() == law) {
                        left_out = without.actions;
                        failure = smaller;
                    }
                }
                from += size;
            }
            size /= 2;
        }
        if (failure.actions.len(), failure.faults.len()) == before {
            return failure;
        }
    }
}

/// Reports a run that fails, as small as it can be made.
fn report(name: &str, seed: u64, setting: &SystemSetting, failure: Failure) -> String {
    let whole = (failure.actions.len(), failure.faults.len());
    let failure = shrink(seed, setting, failure);
    let log: String = failure.log.iter().map(|line| format!("{line}\n")).collect();
    format!(
        "{name}: seed {seed} fails: {}\n{} of {} actions and {} of {} faults are needed:\n{log}",
        failure.message,
        failure.actions.len(),
        whole.0,
        failure.faults.len(),
        whole.1,
    )
}

/// Runs a seed, which must break no law.
fn hold_once(name: &str, seed: u64, setting: &SystemSetting, totals: &mut Totals) {
    if let Some(failure) = try_run(seed, setting, &Without::default(), totals) {
        panic!("{}", report(name, seed, setting, failure));
    }
}

/// Runs all seeds of a kind.
fn hold(name: &str, setting: &SystemSetting, seeds: std::ops::Range<u64>) {
    let mut totals = Totals::default();
    for seed in seeds {
        hold_once(name, seed, setting, &mut totals);
    }
    println!("{name}: {totals:?}");
}

#[test]
fn a_system_on_a_disk_keeps_its_promises() {
    hold("disk", &SystemSetting::disk(), seeds(60));
}

#[test]
fn a_system_on_s3_keeps_its_promises() {
    hold("s3", &SystemSetting::s3(), seeds(60));
}

#[test]
fn a_system_with_late_lists_keeps_its_promises() {
    hold("late lists", &SystemSetting::late_lists(), seeds(40));
}

#[test]
fn a_system_on_full_disks_keeps_its_promises() {
    hold("full disks", &SystemSetting::full(), seeds(40));
}

#[test]
fn a_system_on_rotting_disks_keeps_its_promises() {
    hold("rotting disks", &SystemSetting::rotting(), seeds(60));
}

/// Runs seed after seed, of every kind, for as long as is asked.
#[test]
#[ignore = "make simulate runs it"]
fn simulate() {
    let seconds = std::env::var("CHUNKER_SIMULATE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(60));
    let mut totals: [Totals; SystemSetting::ALL.len()] = std::array::from_fn(|_| Totals::default());
    let mut seed = seeds(1).start;
    while Instant::now() < end {
        for ((name, setting), totals) in SystemSetting::ALL.into_iter().zip(&mut totals) {
            hold_once(name, seed, &setting(), totals);
        }
        seed += 1;
    }
    for ((name, _), totals) in SystemSetting::ALL.into_iter().zip(&totals) {
        println!("{name}: {totals:?}");
    }
}

/// Checks that some seed finds a defect, by a law that it breaks.
fn is_found(name: &str, setting: &SystemSetting, laws: &[&str]) {
    for seed in 0..2_000 {
        if let Some(failure) = try_run(seed, setting, &Without::default(), &mut Totals::default()) {
            if !laws.iter().any(|law| failure.message.starts_with(law)) {
                continue;
            }
            println!("{name}: seed {seed}: {}", failure.message.lines().next().unwrap_or_default());
            return;
        }
    }
    panic!("no seed finds {name}");
}

#[test]
fn every_planted_defect_is_found() {
    let lost: &[&str] = &["no committed file loses", "no name is incomplete"];
    for (planted, laws) in [
        (Planted::UnverifiedPack, lost),
        (Planted::EarlyPut, lost),
        (Planted::EarlyCommit, lost),
        (Planted::LostIsDone, lost),
        (Planted::UnverifiedRead, &["wrong bytes never leave a server"]),
        (Planted::LostMemory, &["memory comes back"]),
        (Planted::ResumedOnTrust, &["done names what was read"]),
        (Planted::CutIsWhole, &["a reader gets the file's bytes"]),
        (Planted::EndlessRetry, &["every client ends"]),
    ] {
        is_found(&format!("{planted:?}"), &SystemSetting::disk().with(planted), laws);
    }
}

#[test]
fn a_system_needs_rule_2_of_its_store() {
    let laws = ["no committed file loses", "no name is incomplete", "what was acknowledged is read"];
    let mut setting = SystemSetting::disk();
    setting.objects = setting.objects.without(Rule::PendingFirst);
    is_found("the lack of rule 2", &setting, &laws);
}

#[test]
fn a_run_that_fails_is_made_smaller() {
    let setting = SystemSetting::disk().with(Planted::UnverifiedPack);
    let failed = (0..2_000).find_map(|seed| {
        let failure = try_run(seed, &setting, &Without::default(), &mut Totals::default())?;
        Some((seed, failure))
    });
    let (seed, failure) = failed.unwrap();
    let (law, actions) = (failure.law().to_owned(), failure.actions.len());
    let smaller = shrink(seed, &setting, failure);
    assert_eq!(smaller.law(), law);
    let left = (smaller.actions.len(), smaller.faults.len());
    assert!(left.0 <= 2 && left.1 <= 2, "{left:?} of {actions}: {}", smaller.log.join("\n"));
}

#[test]
fn a_system_depends_on_its_seed_alone() {
    let steps = |seed| {
        let system = System::new(seed, SystemSetting::disk(), Without::default());
        system.run();
        (system.executor.steps(), system.executor.now(), system.executor.happened())
    };
    assert_eq!(steps(1), steps(1));
    assert_ne!(steps(1), steps(2));
}
