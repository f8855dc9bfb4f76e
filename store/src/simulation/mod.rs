//! The store's real code on several nodes that crash, pause and have wrong clocks, over objects that are
//! late and fail, from a seed.
//!
//! Every run must keep what was promised: no committed file loses a byte, no name is incomplete, what was
//! acknowledged can be read, and deleted space comes back. Without any one of the rules some run does not.
//!
//! `CHUNKER_STORE_SEEDS=1000` runs so many seeds of every kind, `CHUNKER_STORE_SEED=7` only that one, with
//! its trace.

mod executor;
mod network;
mod system;
mod world;

use crate::chunk::{ChunkId, Root};
use crate::collect::CollectOptions;
use crate::error::{CommitError, StoreError};
use crate::host::Host;
use crate::live;
use crate::objects::{Folder, Objects};
use crate::options::{CacheFolder, StoreOptions};
use crate::rules::{Rule, Rules};
use crate::store::Store;
use bytes::Bytes;
use chunker::Profile;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use executor::{Executor, NodeId, SimulatedHost};
use futures::TryStreamExt as _;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use world::{Counts, Faults, NodeObjects, World};

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;
const NODES: usize = 3;
/// Different chunks of which all files are made.
const CHUNKS: u64 = 24;
const DAY: Duration = Duration::from_hours(24);

/// A kind of run.
#[derive(Clone, Debug)]
struct Setting {
    rules: Rules,
    faults: Faults,
    /// The most milliseconds that a clock is wrong.
    skew: u64,
    /// Things that each task of a node does before it ends.
    turns: u64,
    /// The longest time between two of them.
    rest: Duration,
    /// Whether collectors spare young packs, as they should.
    spare_young: bool,
}

impl Setting {
    fn disk() -> Self {
        let faults = Faults {
            fails: 1.0,
            answers_lost: 1.0,
            repeated: 0.0,
            crashes: 0.3,
            pauses: 1.0,
            longest_pause: Duration::from_hours(2),
            delay: Duration::from_millis(200),
            stalls: 0.0,
            lag: Duration::ZERO,
            renames: true,
            full: 0.0,
            early: false,
        };
        Self {
            rules: Rules::ALL,
            faults,
            skew: 300_000,
            turns: 12,
            rest: Duration::from_mins(10),
            spare_young: false,
        }
    }

    fn s3() -> Self {
        let mut setting = Self::disk();
        setting.faults.renames = false;
        setting.faults.repeated = 2.0;
        setting
    }

    /// A network file system whose lists are late.
    fn late_lists() -> Self {
        let mut setting = Self::disk();
        setting.faults.lag = Duration::from_secs(30);
        setting.rest = Duration::from_secs(20);
        setting
    }

    /// A life of weeks, with pauses longer than a day.
    fn slow(renames: bool) -> Self {
        let mut setting = if renames { Self::disk() } else { Self::s3() };
        setting.faults.longest_pause = DAY * 3;
        setting.faults.pauses = 2.0;
        setting.rest = DAY;
        setting
    }

    /// A life of days, in which most processes list the dooms more than twice a day.
    fn days() -> Self {
        let mut setting = Self::disk();
        setting.faults.pauses = 0.0;
        setting.faults.crashes = 0.01;
        setting.rest = Duration::from_hours(8);
        setting
    }

    fn without(mut self, rule: Rule) -> Self {
        self.rules = Rules::without(rule);
        self
    }
}

/// One run.
struct Run {
    executor: Arc<Executor>,
    world: Arc<World>,
    setting: Setting,
}

/// What a run did: steps of the executor, and what the world counted.
#[derive(Debug, Default)]
struct Outcome {
    runs: u64,
    steps: u64,
    counts: Counts,
}

impl Run {
    fn new(seed: u64, setting: Setting) -> Arc<Self> {
        let executor = Executor::new(seed);
        let world = World::new(Arc::clone(&executor), setting.faults.clone());
        Arc::new(Self { executor, world, setting })
    }

    fn run(self: &Arc<Self>) {
        for node in 0..NODES {
            self.start(node, Duration::ZERO);
        }
        let run = Arc::clone(self);
        self.executor.run(move |node| {
            run.world.crashed(node);
            let rest = run.executor.draw(|lot| lot.up_to(Duration::from_mins(5)));
            run.start(node, rest);
        });
        self.world.calm();
        self.executor.spawn(NODES, Box::pin(Arc::clone(self).end()));
        self.executor.run(|_| {});
    }

    fn start(self: &Arc<Self>, node: NodeId, rest: Duration) {
        let run = Arc::clone(self);
        self.executor.spawn(
            node,
            Box::pin(async move {
                run.executor.sleep(rest).await;
                let store = run.open(node).await;
                for _ in 0..2 {
                    run.executor.spawn(node, Box::pin(Arc::clone(&run).live(node, store.clone())));
                }
            }),
        );
    }

    /// Returns the world as a node sees it.
    fn objects(&self, node: NodeId) -> NodeObjects {
        NodeObjects { world: Arc::clone(&self.world), executor: Arc::clone(&self.executor), node }
    }

    async fn open(&self, node: NodeId) -> Store {
        loop {
            let objects: Arc<dyn Objects> = Arc::new(self.objects(node));
            let skew = self.setting.skew;
            let skew = self.executor.draw(|lot| i64::try_from(lot.below(2 * skew + 1)).unwrap())
                - i64::try_from(skew).unwrap();
            let host: Arc<dyn Host> =
                Arc::new(SimulatedHost { executor: Arc::clone(&self.executor), node, skew });
            let options = StoreOptions::new()
                .cache(CacheFolder::None)
                .pack_size(1024)
                .level(0)
                .concurrency(3)
                .listing_lag(self.setting.faults.lag);
            if let Ok(store) = Store::open_with(objects, host, options, self.setting.rules).await {
                return store;
            }
            self.executor.sleep(Duration::from_secs(1)).await;
        }
    }

    /// One task of a node: commits, reads, deletes and collects for a while.
    async fn live(self: Arc<Self>, node: NodeId, store: Store) {
        for _ in 0..self.setting.turns {
            let rest = self.executor.draw(|lot| {
                let most = if lot.chance(50.0) { Duration::from_secs(2) } else { self.setting.rest };
                lot.up_to(most)
            });
            self.executor.sleep(rest).await;
            match self.executor.draw(|lot| lot.below(10)) {
                0..4 => self.commit(node, &store).await,
                4..6 => self.read(&store).await,
                6..8 => self.delete(node, &store).await,
                _ => self.collect(&store).await,
            }
        }
    }

    async fn commit(&self, node: NodeId, store: &Store) {
        let (manifest, contents) = self.executor.draw(|lot| {
            let first = lot.below(CHUNKS);
            let count = 1 + lot.below(5);
            file((first..first + count).map(|index| index % CHUNKS))
        });
        let chunks: Vec<ChunkId> = live::chunks(&manifest).collect();
        let digests: Vec<_> = chunks.iter().map(|id| id.digest).collect();
        let Ok(missing) = store.missing(ALGORITHM, &digests).await else { return };
        let mut add: Vec<ChunkId> =
            chunks.iter().zip(missing).filter(|(_, missing)| *missing).map(|(id, _)| *id).collect();
        let root = Root::new(ALGORITHM, manifest.root_digest());
        for _ in 0..4 {
            let mut writer = store.pack_writer(ALGORITHM);
            for id in &add {
                if writer.add_hashed(id.digest, contents[&id.digest].clone()).await.is_err() {
                    return;
                }
            }
            if writer.seal().await.is_err() {
                return;
            }
            let deletes = self.world.deletes_of(&root);
            let before: Vec<_> = chunks.iter().map(|id| self.world.sound_packs_with(id)).collect();
            match store.commit(&manifest).await {
                Ok(committed) => {
                    assert_eq!(committed, root);
                    self.world.log(node, format!("acknowledged {root}"));
                    self.world.promise(root, chunks, deletes);
                    return;
                }
                Err(CommitError::MissingChunks { chunks: missing }) => {
                    // Rule 8: what was there before and still is was not looked for everywhere.
                    for (id, before) in chunks.iter().zip(before).filter(|(id, _)| missing.contains(id)) {
                        let after = self.world.sound_packs_with(id);
                        if self.setting.faults.lag.is_zero() && before.intersection(&after).next().is_some() {
                            self.world.fail("a commit refused a chunk that was there", &root, Some(*id));
                        }
                    }
                    add = missing;
                }
                Err(_) => return,
            }
        }
    }

    async fn read(&self, store: &Store) {
        let promised = self.world.promised();
        if promised.is_empty() {
            return;
        }
        let root =
            promised[usize::try_from(self.executor.draw(|lot| lot.below(promised.len() as u64))).unwrap()];
        self.read_root(store, root).await;
    }

    async fn read_root(&self, store: &Store, root: Root) {
        let deletes = self.world.deletes_of(&root);
        let pieces = async { store.read(&root, None).await?.try_collect::<Vec<Bytes>>().await };
        match pieces.await {
            Ok(pieces) => {
                self.world.count(|counts| counts.reads += 1);
                let (manifest, contents) = (store.manifest(&root).await, contents());
                if let Ok(manifest) = manifest {
                    let whole: Vec<u8> =
                        manifest.chunks().iter().flat_map(|chunk| contents[&chunk.hash].to_vec()).collect();
                    assert_eq!(pieces.concat(), whole);
                }
            }
            Err(StoreError::Object(_)) => {}
            Err(error) if self.world.is_promised(&root) && self.world.deletes_of(&root) == deletes => {
                self.world.fail(&format!("a reader of a committed file failed: {error:?}"), &root, None);
            }
            Err(_) => {}
        }
    }

    async fn delete(&self, node: NodeId, store: &Store) {
        let promised = self.world.promised();
        if promised.is_empty() {
            return;
        }
        let root =
            promised[usize::try_from(self.executor.draw(|lot| lot.below(promised.len() as u64))).unwrap()];
        self.world.log(node, format!("deletes {root}"));
        let deleting = self.world.begin_delete(root);
        drop(store.delete(&root).await);
        drop(deleting);
    }

    async fn collect(&self, store: &Store) {
        let age = if self.setting.spare_young { DAY } else { Duration::ZERO };
        let waste = self.executor.draw(|lot| if lot.chance(50.0) { 1 } else { 100 });
        drop(store.collect(CollectOptions::new().min_age(age).max_waste(waste)).await);
    }

    /// Nothing fails any more: everything promised can be read, and all space comes back.
    async fn end(self: Arc<Self>) {
        self.executor.sleep(DAY + Duration::from_hours(1)).await;
        let store = self.open(NODES).await;
        for root in self.world.promised() {
            self.read_root(&store, root).await;
        }
        store.collect(CollectOptions::new().min_age(Duration::ZERO).max_waste(1)).await.unwrap();
        for root in self.world.promised() {
            self.read_root(&store, root).await;
        }
        for name in self.world.names(Folder::Manifests) {
            let root: Root = name["manifests/".len()..].parse().unwrap();
            let _deleting = self.world.begin_delete(root);
            assert!(store.delete(&root).await.unwrap());
        }
        for _ in 0..3 {
            store.collect(CollectOptions::new().min_age(Duration::ZERO)).await.unwrap();
            self.executor.sleep(DAY + Duration::from_hours(1)).await;
        }
        store.collect(CollectOptions::new()).await.unwrap();
        for folder in Folder::ALL {
            assert!(self.world.names(folder).is_empty(), "left: {:?}", self.world.names(folder));
        }
    }
}

/// Returns a file of these chunks, and what they hold.
fn file(indices: impl Iterator<Item = u64>) -> (Manifest, BTreeMap<[u8; 32], Bytes>) {
    let profile = Profile::new(64, 256, 1024).unwrap().hash(ALGORITHM);
    let mut offset = 0;
    let chunks = indices
        .map(|index| {
            let bytes = content(index);
            let descriptor = chunker::chunking::chunk_descriptors(&bytes, profile)[0];
            assert_eq!(descriptor.length, bytes.len(), "a chunk is not cut again");
            let chunk = chunker::chunking::ChunkDescriptor { offset, ..descriptor };
            offset += bytes.len() as u64;
            chunk
        })
        .collect();
    (Manifest::new(profile, chunks).unwrap(), contents())
}

fn content(index: u64) -> Bytes {
    let index = u8::try_from(index).unwrap();
    vec![index; 64 + usize::from(index)].into()
}

fn contents() -> BTreeMap<[u8; 32], Bytes> {
    (0..CHUNKS).map(content).map(|bytes| (ALGORITHM.digest(&bytes), bytes)).collect()
}

/// Ends a run that broke a law. The panic prints nothing: the code that catches it reports the law.
fn broken(law: &str, how: impl std::fmt::Display) -> ! {
    std::panic::resume_unwind(Box::new(format!("{law}: {how}")))
}

/// How many seeds each kind of run has.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("CHUNKER_STORE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHUNKER_STORE_SEEDS").unwrap_or(usual),
    }
}

/// Runs all seeds of a setting, and says what happened.
fn hold(name: &str, setting: &Setting, seeds: std::ops::Range<u64>) {
    let mut outcome = Outcome::default();
    for seed in seeds {
        let run = Run::new(seed, setting.clone());
        let result = catch_unwind(AssertUnwindSafe(|| run.run()));
        if let Err(panic) = result {
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("{name}: seed {seed} fails: {message}");
        }
        let counts = run.world.counts();
        outcome.runs += 1;
        outcome.steps += run.executor.steps();
        outcome.counts.calls += counts.calls;
        outcome.counts.faults += counts.faults;
        outcome.counts.crashes += counts.crashes;
        outcome.counts.commits += counts.commits;
        outcome.counts.deleted_packs += counts.deleted_packs;
        outcome.counts.reads += counts.reads;
    }
    println!("{name}: {outcome:?}");
    assert!(outcome.runs < 10 || (outcome.counts.commits > 0 && outcome.counts.deleted_packs > 0));
}

/// Checks that some seed fails when a rule is left out.
fn fails_without(rule: Rule, setting: &Setting) {
    let setting = setting.clone().without(rule);
    for seed in 0..5_000 {
        let run = Run::new(seed, setting.clone());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run.run())) {
            let message = panic.downcast_ref::<String>().and_then(|text| text.lines().next());
            let message = message.unwrap_or_default();
            if message.starts_with("left:") {
                continue; // space that does not come back is not what this is about
            }
            println!("without {rule:?}: seed {seed}: {message}");
            return;
        }
    }
    panic!("no seed fails without {rule:?}");
}

#[test]
fn a_disk_keeps_what_was_promised() {
    hold("disk", &Setting::disk(), seeds(100));
}

#[test]
fn s3_keeps_what_was_promised() {
    hold("s3", &Setting::s3(), seeds(100));
}

#[test]
fn days_of_short_pauses_keep_what_was_promised() {
    hold("days", &Setting::days(), seeds(60));
}

#[test]
fn calls_that_stall_keep_what_was_promised() {
    let mut setting = Setting::disk();
    setting.faults.stalls = 5.0;
    hold("stalls", &setting, seeds(100));
}

#[test]
fn late_lists_keep_what_was_promised() {
    hold("late lists", &Setting::late_lists(), seeds(60));
}

#[test]
fn weeks_and_long_pauses_keep_what_was_promised() {
    hold("weeks on a disk", &Setting::slow(true), seeds(60));
    hold("weeks on s3", &Setting::slow(false), seeds(60));
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    let steps = |seed| {
        let run = Run::new(seed, Setting::disk());
        run.run();
        (run.executor.steps(), run.executor.now(), run.world.counts().calls)
    };
    assert_eq!(steps(1), steps(1));
    assert_ne!(steps(1), steps(2));
}

/// A client of the objects sends a put again whose answer it did not get, when the pack is deleted already.
#[test]
fn a_pack_that_comes_back_is_collected_by_a_process_that_knew_its_doom() {
    let run = Run::new(0, Setting::s3());
    run.world.calm();
    let life = {
        let run = Arc::clone(&run);
        async move {
            let (store, objects) = (run.open(0).await, run.objects(0));
            let (manifest, contents) = file(0..3);
            let mut writer = store.pack_writer(ALGORITHM);
            for id in live::chunks(&manifest) {
                writer.add_hashed(id.digest, contents[&id.digest].clone()).await.unwrap();
            }
            writer.seal().await.unwrap();
            let root = store.commit(&manifest).await.unwrap();
            let pack = run.world.names(Folder::Packs).remove(0);
            let bytes = objects.get(&pack, None).await.unwrap();
            run.executor.sleep(Duration::from_secs(1)).await;
            store.delete(&root).await.unwrap();
            let options = || CollectOptions::new().min_age(Duration::ZERO);
            assert_eq!(store.collect(options()).await.unwrap().deleted_packs, 1);
            objects.put(&pack, vec![bytes]).await.unwrap();
            let digests: Vec<_> = live::chunks(&manifest).map(|id| id.digest).collect();
            for hours in [0, 11, 11] {
                run.executor.sleep(Duration::from_hours(hours) + Duration::from_secs(1)).await;
                // Others may still delete what the doom names.
                assert_eq!(store.missing(ALGORITHM, &digests).await.unwrap(), [true; 3]);
                assert_eq!(store.collect(options()).await.unwrap().deleted_packs, 0);
            }
            run.executor.sleep(Duration::from_hours(3)).await;
            // The doom is deleted, and forgotten.
            assert_eq!(store.collect(options()).await.unwrap().deleted_packs, 1);
            run.executor.sleep(DAY + Duration::from_hours(1)).await;
            store.collect(options()).await.unwrap();
            for folder in Folder::ALL {
                assert_eq!(run.world.names(folder), [""; 0]);
            }
            run.world.count(|counts| counts.reads = 1); // it came so far
        }
    };
    run.executor.spawn(0, Box::pin(life));
    run.executor.run(|_| {});
    assert_eq!(run.world.counts().reads, 1);
}

#[test]
fn rule_1_is_needed() {
    let mut setting = Setting::disk();
    setting.faults.fails = 10.0;
    fails_without(Rule::DurablePacks, &setting);
}

#[test]
fn rule_2_is_needed() {
    fails_without(Rule::PendingFirst, &Setting::disk());
}

#[test]
fn rule_3_is_needed() {
    fails_without(Rule::WholeDooms, &Setting::disk());
}

#[test]
fn rule_4_is_needed() {
    fails_without(Rule::DoomFirst, &Setting::disk());
}

#[test]
fn rule_5_is_needed() {
    fails_without(Rule::KeptDooms, &Setting::disk());
}

#[test]
fn rule_6_is_needed() {
    fails_without(Rule::LastingPending, &Setting::slow(false));
}

#[test]
fn rule_7_is_needed() {
    fails_without(Rule::Grace, &Setting::late_lists());
}

#[test]
fn rule_8_is_needed() {
    fails_without(Rule::Slack, &Setting::disk());
}

#[test]
fn rule_9_is_needed() {
    let mut setting = Setting::disk();
    setting.spare_young = true;
    fails_without(Rule::Liveness, &setting);
}

#[test]
fn rule_10_is_needed() {
    fails_without(Rule::ForgottenDooms, &Setting::days());
}
