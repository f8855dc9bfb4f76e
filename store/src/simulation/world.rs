//! Objects in memory that are late, fail, and lose their clients; and what must be true of them.

use super::broken;
use super::executor::{Executor, Lot, NodeId, START};
use crate::chunk::{ChunkId, Root};
use crate::live;
use crate::objects::{BufferedDraft, Draft, Folder, Found, ObjectError, Objects, Operation};
use crate::pack::encoding::Record;
use crate::pack::format::{Entry, parse_footer};
use bytes::Bytes;
use chunker::manifest::Manifest;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// The longest time that a call takes: less than a list from an offset allows for.
const LONGEST_STALL: Duration = Duration::from_mins(5);

/// What can go wrong in a run.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    /// Percentage of calls that fail without effect.
    pub(super) fails: f64,
    /// Percentage of calls whose answer is lost.
    pub(super) answers_lost: f64,
    /// Percentage of puts and deletes that are done twice, as by a client that lost the first answer.
    pub(super) repeated: f64,
    /// Percentage of calls at which the node crashes, before or after.
    pub(super) crashes: f64,
    /// Percentage of calls after which the node pauses.
    pub(super) pauses: f64,
    /// The longest such pause.
    pub(super) longest_pause: Duration,
    /// The longest time that a call usually takes.
    pub(super) delay: Duration,
    /// Percentage of calls that take much longer, while their node goes on with others.
    pub(super) stalls: f64,
    /// For how long lists may be late.
    pub(super) lag: Duration,
    /// Whether an object can be renamed, as on a disk.
    pub(super) renames: bool,
    /// Percentage of puts at which the disk is found full, and stays so for some minutes.
    pub(super) full: f64,
    /// Whether a put is answered before it is durable: what no store may do.
    pub(super) early: bool,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    created: Duration,
    modified: Duration,
}

/// What holds the objects, and what was promised about them.
#[derive(Debug)]
pub(super) struct World {
    executor: Arc<Executor>,
    faults: Mutex<Faults>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    deleted: BTreeMap<String, (Object, Duration)>,
    /// The chunks of every pack there was, without those that are damaged in it.
    pack_chunks: BTreeMap<String, Vec<ChunkId>>,
    /// Manifests, and chunks with a copy, in which bits have rotted.
    rotten: BTreeSet<ChunkId>,
    rotten_manifests: BTreeSet<Root>,
    full_until: Duration,
    log: Vec<String>,
    /// Files that were acknowledged, and that nobody has begun to delete.
    promised: BTreeMap<Root, Vec<ChunkId>>,
    deletes: BTreeMap<Root, u64>,
    deletes_under_way: BTreeMap<Root, u64>,
    counts: Counts,
}

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) faults: u64,
    pub(super) crashes: u64,
    pub(super) commits: u64,
    pub(super) deleted_packs: u64,
    pub(super) reads: u64,
}

impl World {
    pub(super) fn new(executor: Arc<Executor>, faults: Faults) -> Arc<Self> {
        Arc::new(Self { executor, faults: Mutex::new(faults), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults.lock().unwrap().clone()
    }

    /// From now on nothing fails.
    pub(super) fn calm(&self) {
        let mut faults = self.faults.lock().unwrap();
        self.state().full_until = Duration::ZERO;
        *faults = Faults {
            fails: 0.0,
            answers_lost: 0.0,
            repeated: 0.0,
            crashes: 0.0,
            pauses: 0.0,
            stalls: 0.0,
            full: 0.0,
            ..faults.clone()
        };
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state().counts);
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn log(&self, node: NodeId, line: String) {
        let now = self.executor.now().as_secs_f64();
        self.state().log.push(format!("{now:>12.3} n{node} {line}"));
    }

    /// Notes that a node crashed.
    pub(super) fn crashed(&self, node: NodeId) {
        self.count(|counts| counts.crashes += 1);
        self.log(node, "crashes".to_owned());
    }

    pub(super) fn names(&self, folder: Folder) -> Vec<String> {
        let prefix = folder.object("");
        self.state().objects.keys().filter(|name| name.starts_with(&prefix)).cloned().collect()
    }

    /// A commit of a file begins: returns what [`promise`](Self::promise) needs.
    pub(super) fn deletes_of(&self, root: &Root) -> u64 {
        self.state().deletes.get(root).copied().unwrap_or(0)
    }

    /// A commit was acknowledged; if nobody has deleted the file since it began, it must stay.
    pub(super) fn promise(&self, root: Root, chunks: Vec<ChunkId>, deletes: u64) {
        {
            let mut state = self.state();
            state.counts.commits += 1;
            let under_way = state.deletes_under_way.get(&root).copied().unwrap_or(0);
            if deletes != state.deletes.get(&root).copied().unwrap_or(0) || under_way > 0 {
                return;
            }
            state.promised.insert(root, chunks);
        }
        self.check("acknowledged");
    }

    pub(super) fn promised(&self) -> Vec<Root> {
        self.state().promised.keys().copied().collect()
    }

    pub(super) fn is_promised(&self, root: &Root) -> bool {
        self.state().promised.contains_key(root)
    }

    /// A deletion begins; it ends when what is returned is dropped.
    pub(super) fn begin_delete(self: &Arc<Self>, root: Root) -> Deleting {
        let mut state = self.state();
        state.promised.remove(&root);
        *state.deletes.entry(root).or_default() += 1;
        *state.deletes_under_way.entry(root).or_default() += 1;
        Deleting { world: Arc::clone(self), root }
    }

    /// Returns the packs that are there, and of them those that a doom names.
    pub(super) fn sound_packs_with(&self, id: &ChunkId) -> BTreeSet<String> {
        let state = self.state();
        let doomed: BTreeSet<String> = state
            .objects
            .iter()
            .filter(|(name, _)| name.starts_with("dooms/"))
            .flat_map(|(_, doom)| {
                String::from_utf8_lossy(&doom.bytes).lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .map(|name| Folder::Packs.object(name))
            .collect();
        let packs = state.pack_chunks.iter().filter(|(name, chunks)| {
            state.objects.contains_key(*name) && !doomed.contains(*name) && chunks.contains(id)
        });
        packs.map(|(name, _)| name.clone()).collect()
    }

    /// Checks what must always be true.
    fn check(&self, event: &str) {
        let state = self.state();
        let there: BTreeSet<&ChunkId> = state
            .pack_chunks
            .iter()
            .filter(|(name, _)| state.objects.contains_key(*name))
            .flat_map(|(_, chunks)| chunks)
            .collect();
        let mut wrong = None;
        for (root, chunks) in &state.promised {
            match state.objects.get(&Folder::Manifests.object(root)) {
                None => wrong = Some((format!("no committed file loses its name: {root}"), *root, None)),
                Some(manifest) => {
                    let is_right = root.algorithm().digest(&manifest.bytes) == root.digest();
                    if !is_right && !state.rotten_manifests.contains(root) {
                        wrong = Some((format!("a name is that of its file: {root}"), *root, None));
                    }
                }
            }
            if let Some(lost) = chunks.iter().find(|id| !there.contains(id) && !state.rotten.contains(id)) {
                wrong =
                    Some((format!("no committed file loses a byte: {root} lost {lost}"), *root, Some(*lost)));
            }
        }
        // Where a manifest is published by a rename, a name is never incomplete, promised or not.
        if self.faults.lock().unwrap().renames {
            for (name, manifest) in state.objects.iter().filter(|(name, _)| name.starts_with("manifests/")) {
                let root: Root = name["manifests/".len()..].parse().unwrap();
                if state.rotten_manifests.contains(&root) {
                    continue;
                }
                let manifest = Manifest::parse(&manifest.bytes, usize::MAX).unwrap();
                let lost = |id: &ChunkId| !there.contains(id) && !state.rotten.contains(id);
                if let Some(lost) = live::chunks(&manifest).find(lost) {
                    wrong = Some((format!("no name is incomplete: {name} lacks {lost}"), root, Some(lost)));
                }
            }
        }
        let Some((what, root, chunk)) = wrong else { return };
        let trace = state.trace(&root, chunk);
        drop(state);
        broken(&what, format_args!("{event}\n{trace}"));
    }

    /// Flips a bit of a pack, or of a manifest.
    pub(super) fn rot(&self, node: NodeId, lot: &mut Lot) {
        let mut state = self.state();
        let rots = |name: &String| name.starts_with("packs/") || name.starts_with("manifests/");
        let names: Vec<String> = state.objects.keys().filter(|name| rots(name)).cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = &names[usize::try_from(lot.below(names.len() as u64)).unwrap()];
        let Some(object) = state.objects.get_mut(name) else { return };
        let before = object.bytes.clone();
        let mut bytes = before.to_vec();
        let at = usize::try_from(lot.below(bytes.len() as u64)).unwrap();
        bytes[at] ^= 1 << lot.below(8);
        object.bytes = bytes.into();
        if let Some(root) = name.strip_prefix("manifests/") {
            state.rotten_manifests.insert(root.parse().unwrap());
        } else if let Ok(entries) = parse_footer(&before, before.len() as u64) {
            let footer = entries.iter().map(|entry| entry.place.range().end).max().unwrap_or(0);
            let hit = entries.iter().filter(|entry| at as u64 >= footer || !is_sound(entry, &object.bytes));
            let hit: BTreeSet<ChunkId> = hit.map(|entry| entry.id).collect();
            if let Some(chunks) = state.pack_chunks.get_mut(name) {
                chunks.retain(|id| !hit.contains(id));
            }
            state.rotten.extend(hit);
        }
        drop(state);
        self.count(|counts| counts.faults += 1);
        self.log(node, format!("byte {at} of {name} rots"));
    }

    /// Returns whether bits of a file have rotted somewhere.
    pub(super) fn is_rotten(&self, root: &Root, chunks: &[ChunkId]) -> bool {
        let state = self.state();
        state.rotten_manifests.contains(root) || chunks.iter().any(|id| state.rotten.contains(id))
    }

    /// Returns a chunk as some pack holds it, right or wrong.
    pub(super) fn raw(&self, id: &ChunkId) -> Option<Bytes> {
        let state = self.state();
        let packs = state.objects.iter().filter(|(name, _)| name.starts_with("packs/"));
        packs.into_iter().find_map(|(_, pack)| {
            let entries = parse_footer(&pack.bytes, pack.bytes.len() as u64).ok()?;
            let entry = entries.iter().find(|entry| entry.id == *id)?;
            Some(Record::new(*entry, &pack.bytes, 0).stored())
        })
    }

    /// Returns all that happened.
    pub(super) fn whole_log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    pub(super) fn fail(&self, what: &str, root: &Root, chunk: Option<ChunkId>) -> ! {
        let trace = self.state().trace(root, chunk);
        broken(what, trace);
    }
}

impl State {
    /// Returns the events that concern a file and a chunk.
    fn trace(&self, root: &Root, chunk: Option<ChunkId>) -> String {
        let mut words: BTreeSet<String> = [root.to_string()].into();
        for (name, chunks) in &self.pack_chunks {
            if chunk.is_none_or(|chunk| chunks.contains(&chunk)) {
                words.insert(name["packs/".len()..].to_owned());
            }
        }
        let lines = self.log.iter().filter(|line| words.iter().any(|word| line.contains(word.as_str())));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// A deletion that is under way.
pub(super) struct Deleting {
    world: Arc<World>,
    root: Root,
}

impl Drop for Deleting {
    fn drop(&mut self) {
        let mut state = self.world.state();
        *state.deletes.entry(self.root).or_default() += 1;
        *state.deletes_under_way.entry(self.root).or_default() -= 1;
    }
}

/// The world as a node sees it.
#[derive(Clone, Debug)]
pub(super) struct NodeObjects {
    pub(super) world: Arc<World>,
    pub(super) executor: Arc<Executor>,
    pub(super) node: NodeId,
}

impl NodeObjects {
    /// What happens on the way to the objects and back: time passes, and things go wrong.
    async fn travel(&self, operation: Operation, name: &str, back: bool) -> Result<(), ObjectError> {
        let faults = self.world.faults();
        let delay = self.executor.draw(|lot| lot.up_to(faults.delay));
        self.executor.sleep(delay).await;
        self.world.count(|counts| counts.calls += 1);
        if self.executor.hits(self.node, faults.stalls) {
            let stall = self.executor.draw(|lot| lot.up_to(LONGEST_STALL));
            self.world.count(|counts| counts.faults += 1);
            self.world.log(self.node, format!("waits {stall:?} for a {operation} of {name}"));
            self.executor.sleep(stall).await;
        }
        if self.executor.hits(self.node, faults.crashes) {
            self.executor.crash(self.node);
            std::future::pending::<()>().await;
        }
        if self.executor.hits(self.node, faults.pauses) {
            let pause = self.executor.draw(|lot| lot.up_to(faults.longest_pause));
            self.world.count(|counts| counts.faults += 1);
            self.world.log(self.node, format!("pauses for {pause:?}"));
            self.executor.pause(self.node, pause);
            self.executor.sleep(Duration::from_millis(1)).await;
        }
        let percent = if back { faults.answers_lost } else { faults.fails };
        if self.executor.hits(self.node, percent) {
            self.world.count(|counts| counts.faults += 1);
            let answer = if back { "the answer of a " } else { "a " };
            self.world.log(self.node, format!("loses {answer}{operation} of {name}"));
            let error = io::Error::new(io::ErrorKind::ConnectionReset, "injected");
            return Err(ObjectError::from_io(operation, name, error));
        }
        Ok(())
    }

    /// Fails while there is no room for an object.
    fn find_room(&self, name: &str) -> Result<(), ObjectError> {
        let (faults, now) = (self.world.faults(), self.executor.now());
        if self.executor.hits(self.node, faults.full) {
            let spell = self.executor.draw(|lot| lot.up_to(Duration::from_mins(5)));
            self.world.count(|counts| counts.faults += 1);
            self.world.log(self.node, format!("finds the disk full, for {spell:?}"));
            self.world.state().full_until = now + spell;
        }
        if now < self.world.state().full_until {
            return Err(ObjectError::from_io(Operation::Put, name, io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Returns whether a request that changes something is sent twice.
    fn is_repeated(&self) -> bool {
        let percent = self.world.faults().repeated;
        self.executor.hits(self.node, percent)
    }

    fn apply_put(&self, name: &str, bytes: &Bytes) {
        let now = self.executor.now();
        {
            let mut state = self.world.state();
            let created = state.objects.get(name).map_or(now, |object| object.created);
            state.objects.insert(name.to_owned(), Object { bytes: bytes.clone(), created, modified: now });
            if name.starts_with("packs/") {
                let entries = parse_footer(bytes, bytes.len() as u64).unwrap();
                let sound = entries.iter().filter(|entry| is_sound(entry, bytes));
                let chunks = sound.map(|entry| entry.id).collect();
                state.pack_chunks.insert(name.to_owned(), chunks);
            }
        }
        let names = if name.starts_with("dooms/") {
            String::from_utf8_lossy(bytes).replace('\n', " ")
        } else {
            described(name, bytes)
        };
        self.world.log(self.node, format!("put {name} {names}"));
    }

    fn apply_delete(&self, name: &str) {
        let now = self.executor.now();
        let mut state = self.world.state();
        if let Some(object) = state.objects.remove(name) {
            state.deleted.insert(name.to_owned(), (object, now));
            state.counts.deleted_packs += u64::from(name.starts_with("packs/"));
            drop(state);
            self.world.log(self.node, format!("delete {name}"));
            self.world.check("a pack was deleted");
        }
    }
}

/// Returns whether a pack has the chunk of this entry.
fn is_sound(entry: &Entry, pack: &Bytes) -> bool {
    Record::new(*entry, pack, 0).chunk().is_ok()
}

/// Names the file of a manifest.
fn described(name: &str, bytes: &[u8]) -> String {
    if !name.starts_with("pending/") {
        return String::new();
    }
    let manifest = Manifest::parse(bytes, usize::MAX).unwrap();
    Root::new(manifest.hash_algorithm(), manifest.root_digest()).to_string()
}

fn not_found(operation: Operation, name: &str) -> ObjectError {
    ObjectError::from_io(operation, name, io::ErrorKind::NotFound.into())
}

fn found(name: &str, object: &Object) -> Found {
    Found {
        name: name.rsplit('/').next().unwrap().to_owned(),
        size: object.bytes.len() as u64,
        modified: SystemTime::UNIX_EPOCH + START + object.modified,
    }
}

#[async_trait::async_trait]
impl Objects for NodeObjects {
    fn url(&self) -> &str {
        "simulation://"
    }

    async fn put(&self, name: &str, parts: Vec<Bytes>) -> Result<(), ObjectError> {
        self.travel(Operation::Put, name, false).await?;
        self.find_room(name)?;
        let bytes = Bytes::from(parts.concat());
        if self.world.faults().early {
            let (objects, name) = (self.clone(), name.to_owned());
            self.executor.spawn(
                self.node,
                Box::pin(async move {
                    objects.executor.sleep(Duration::from_millis(500)).await;
                    objects.apply_put(&name, &bytes);
                }),
            );
            return Ok(());
        }
        self.apply_put(name, &bytes);
        if self.is_repeated() {
            self.travel(Operation::Put, name, false).await?;
            self.apply_put(name, &bytes);
        }
        self.travel(Operation::Put, name, true).await
    }

    fn draft(self: Arc<Self>) -> Result<Box<dyn Draft>, ObjectError> {
        Ok(Box::new(BufferedDraft::new(self)))
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.travel(Operation::Get, name, false).await?;
        let bytes = self.world.state().objects.get(name).map(|object| object.bytes.clone());
        self.travel(Operation::Get, name, true).await?;
        let bytes = bytes.ok_or_else(|| not_found(Operation::Get, name))?;
        let range = range.unwrap_or(0..bytes.len() as u64);
        Ok(bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()))
    }

    async fn head(&self, name: &str) -> Result<Found, ObjectError> {
        self.travel(Operation::Get, name, false).await?;
        let found = self.world.state().objects.get(name).map(|object| found(name, object));
        self.travel(Operation::Get, name, true).await?;
        found.ok_or_else(|| not_found(Operation::Get, name))
    }

    async fn list(&self, folder: Folder, after: Option<&str>) -> Result<Vec<Found>, ObjectError> {
        self.travel(Operation::List, folder.name(), false).await?;
        let lag = self.world.faults().lag;
        let mut list = Vec::new();
        let mut cursor = folder.object(after.unwrap_or_default());
        // In pages, between which the world goes on.
        loop {
            let page = usize::try_from(self.executor.draw(|lot| 1 + lot.below(12))).unwrap();
            let now = self.executor.now();
            let mut names: Vec<(String, Found)> = Vec::new();
            {
                let state = self.world.state();
                let in_folder = |name: &String| name.starts_with(&folder.object(""));
                for (name, object) in
                    state.objects.range(cursor.clone()..).take_while(|(name, _)| in_folder(name))
                {
                    let late = now - object.created < lag && self.executor.draw(|lot| lot.chance(50.0));
                    if *name > cursor && !late {
                        names.push((name.clone(), found(name, object)));
                    }
                }
                for (name, (object, deleted)) in state.deleted.range(cursor.clone()..) {
                    let late =
                        in_folder(name) && now - *deleted < lag && self.executor.draw(|lot| lot.chance(50.0));
                    if *name > cursor && late && !state.objects.contains_key(name) {
                        names.push((name.clone(), found(name, object)));
                    }
                }
            }
            names.sort_by(|a, b| a.0.cmp(&b.0));
            let last = names.len() <= page;
            for (name, found) in names.into_iter().take(page) {
                cursor = name;
                list.push(found);
            }
            if last {
                break;
            }
            self.travel(Operation::List, folder.name(), false).await?;
        }
        self.travel(Operation::List, folder.name(), true).await?;
        Ok(list)
    }

    async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.travel(Operation::Delete, name, false).await?;
        self.apply_delete(name);
        if self.is_repeated() {
            self.travel(Operation::Delete, name, false).await?;
            self.apply_delete(name);
        }
        self.travel(Operation::Delete, name, true).await
    }

    async fn rename(&self, from: &str, to: &str) -> Option<Result<(), ObjectError>> {
        if !self.world.faults().renames {
            return None;
        }
        Some(self.try_rename(from, to).await)
    }

    fn renews(&self) -> bool {
        self.world.faults().renames
    }

    async fn renew(&self, name: &str, bytes: &Bytes) -> Result<bool, ObjectError> {
        self.travel(Operation::Put, name, false).await?;
        let now = self.executor.now();
        let found = {
            let mut state = self.world.state();
            let object = state.objects.get_mut(name).filter(|object| object.bytes == *bytes);
            object.map(|object| object.modified = now).is_some()
        };
        self.travel(Operation::Put, name, true).await?;
        Ok(found)
    }

    async fn holds_anything(&self) -> Result<bool, ObjectError> {
        self.travel(Operation::List, "", false).await?;
        Ok(!self.world.state().objects.is_empty())
    }

    async fn sweep(&self, _older_than: Duration) -> Result<u64, ObjectError> {
        Ok(0)
    }

    fn gap(&self) -> u64 {
        16
    }
}

impl NodeObjects {
    async fn try_rename(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        self.travel(Operation::Put, from, false).await?;
        {
            let now = self.executor.now();
            let mut state = self.world.state();
            let object = state.objects.remove(from).ok_or_else(|| not_found(Operation::Put, from))?;
            state.deleted.insert(from.to_owned(), (object.clone(), now));
            state.objects.insert(to.to_owned(), Object { created: now, modified: now, ..object });
        }
        self.world.log(self.node, format!("rename {from} to {to}"));
        self.world.check("a manifest was published");
        self.travel(Operation::Put, from, true).await
    }
}
