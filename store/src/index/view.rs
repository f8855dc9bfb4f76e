//! The table of chunks: a snapshot, later chunks, and the state of every pack.

use super::snapshot::{Damaged, Row, Snapshot, SnapshotPack};
use crate::chunk::ChunkId;
use crate::host::Moment;
use crate::name::TimeName;
use crate::objects::Found;
use crate::pack::format::{Entry, PackError, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

/// What is known about the store, as of some time in the past.
#[derive(Debug, Default)]
pub(crate) struct View {
    packs: BTreeMap<TimeName, Pack>,
    snapshot: Option<Arc<Snapshot>>,
    /// The names of the packs in the snapshot, by number; `None` if it was wrong about the pack.
    numbers: Vec<Option<TimeName>>,
    recent: Arc<BTreeMap<(ChunkId, TimeName), Place>>,
    /// Every pack that one of `dooms` names.
    doomed: BTreeSet<TimeName>,
    /// Every doom that was read and may still exist.
    dooms: BTreeMap<TimeName, Doom>,
    /// A doom that cannot be read, so that its packs are unknown.
    pub(crate) damaged_doom: Option<TimeName>,
    /// When the last full list of dooms began.
    pub(crate) dooms_listed: Option<Moment>,
    /// Whether all packs were listed since `dooms_listed` was last outdated.
    pub(crate) packs_listed: bool,
    newest: Option<TimeName>,
    /// Counts additions, so that a list does not remove packs that were added after it began.
    sequence: u64,
    /// Counts the lists that had unknown packs of other processes.
    foreign: u64,
    /// The last of these lists whose packs are durable.
    settled: u64,
    /// Copies that a reader found damaged, at most [`MOST_DAMAGED`].
    damaged: BTreeSet<(ChunkId, TimeName)>,
}

/// How many damaged copies to remember: about 6 MB.
const MOST_DAMAGED: usize = 100_000;

#[derive(Clone, Debug)]
struct Pack {
    size: u64,
    chunks: u32,
    state: PackState,
    added: u64,
    /// When it was written, by the clock of the file system or service; unknown until it is listed.
    modified: Option<SystemTime>,
}

/// A doom that has been read.
#[derive(Debug)]
struct Doom {
    packs: Vec<TimeName>,
    /// When it was last known to exist.
    seen: Moment,
}

/// Whether a pack can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PackState {
    /// Yes: it was in the last list that could have had it.
    Present,
    /// No: it was not.
    Gone,
    /// No: its footer is damaged or gives another length.
    Damaged(PackError),
}

/// What is known about an existing pack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PresentPack<'a> {
    pub(crate) name: TimeName,
    pub(crate) size: u64,
    pub(crate) chunks: u32,
    pub(crate) damage: Option<&'a PackError>,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) doomed: bool,
}

/// A copy of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) pack: TimeName,
    pub(crate) place: Place,
    /// The pack is not doomed and the copy not known to be damaged, so a commit may rely on it.
    pub(crate) usable: bool,
}

/// Whether the store has a chunk of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has a reliable copy of that length.
    Present,
    /// It has no reliable copy.
    Missing,
    /// It has a reliable copy, but of another length.
    OtherLength,
}

impl View {
    /// Returns the view of a process that has a snapshot and has listed nothing.
    pub(crate) fn new(snapshot: Option<Snapshot>) -> Self {
        let mut view = Self::default();
        if let Some(snapshot) = snapshot {
            for SnapshotPack { name, size, chunks } in snapshot.packs() {
                view.numbers.push(Some(name));
                view.packs
                    .insert(name, Pack { size, chunks, state: PackState::Gone, added: 0, modified: None });
            }
            view.snapshot = Some(Arc::new(snapshot));
        }
        view
    }

    /// Forgets the chunks, and keeps the dooms.
    pub(crate) fn without_chunks(&mut self) -> Self {
        Self {
            doomed: std::mem::take(&mut self.doomed),
            dooms: std::mem::take(&mut self.dooms),
            damaged_doom: self.damaged_doom,
            sequence: self.sequence,
            foreign: self.foreign,
            settled: self.settled,
            ..Self::default()
        }
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// Returns every copy of a chunk in an existing pack, usable ones first.
    pub(crate) fn copies(&self, id: &ChunkId) -> Result<Vec<Copy>, Damaged> {
        let mut copies = Vec::new();
        let mut add = |pack, place: Place| {
            let Some(known) = self.packs.get(&pack) else { return };
            // A damaged footer tells nothing about the chunks; what is known about them is older.
            if known.state != PackState::Gone && place.range().end <= known.size {
                copies.push(Copy { pack, place, usable: self.is_usable(id, pack, known) });
            }
        };
        if let Some(snapshot) = &self.snapshot {
            let mut unknown = false;
            snapshot.find(id, |_, row| match self.numbers.get(row.pack as usize) {
                Some(Some(pack)) => add(*pack, row.place),
                Some(None) => {}
                None => unknown = true,
            })?;
            if unknown {
                return Err(Damaged);
            }
        }
        for (pack, place) in self.recent(id) {
            add(pack, place);
        }
        copies.sort_by_key(|copy| (!copy.usable, copy.pack));
        Ok(copies)
    }

    /// Returns whether a chunk has a reliable copy.
    pub(crate) fn has(&self, id: &ChunkId) -> Result<bool, Damaged> {
        let mut has = false;
        self.each_usable(id, |_| has = true)?;
        Ok(has)
    }

    /// Returns whether a chunk of this length has a reliable copy.
    pub(crate) fn standing(&self, id: &ChunkId, length: usize) -> Result<Standing, Damaged> {
        let mut standing = Standing::Missing;
        self.each_usable(id, |place| {
            if place.length as usize == length {
                standing = Standing::Present;
            } else if standing == Standing::Missing {
                standing = Standing::OtherLength;
            }
        })?;
        Ok(standing)
    }

    /// Calls `found` with every reliable copy of a chunk.
    fn each_usable(&self, id: &ChunkId, mut found: impl FnMut(Place)) -> Result<(), Damaged> {
        let is_usable = |pack| self.packs.get(&pack).is_some_and(|known| self.is_usable(id, pack, known));
        if let Some(snapshot) = &self.snapshot {
            let mut unknown = false;
            snapshot.find(id, |_, row| match self.numbers.get(row.pack as usize) {
                Some(Some(pack)) if is_usable(*pack) => found(row.place),
                Some(_) => {}
                None => unknown = true,
            })?;
            if unknown {
                return Err(Damaged);
            }
        }
        for (pack, place) in self.recent(id) {
            if is_usable(pack) {
                found(place);
            }
        }
        Ok(())
    }

    /// Returns whether the copy of a chunk in this pack is reliable.
    fn is_usable(&self, id: &ChunkId, pack: TimeName, known: &Pack) -> bool {
        known.state == PackState::Present
            && !self.doomed.contains(&pack)
            && !self.damaged.contains(&(*id, pack))
    }

    /// Returns the copies of a chunk that are in no snapshot.
    fn recent(&self, id: &ChunkId) -> impl Iterator<Item = (TimeName, Place)> + '_ {
        let (first, last) = (TimeName::from_bytes([0; 16]), TimeName::from_bytes([0xff; 16]));
        let range =
            if self.recent.is_empty() { None } else { Some(self.recent.range((*id, first)..=(*id, last))) };
        range.into_iter().flatten().map(|(&(_, pack), &place)| (pack, place))
    }

    /// Adds a pack whose footer was written or read. Drops what the snapshot says about a pack of another size.
    pub(crate) fn add(&mut self, name: TimeName, size: u64, entries: &[Entry]) {
        self.sequence += 1;
        self.newest = self.newest.max(Some(name));
        let known = self.packs.get(&name);
        let other_size = known.is_some_and(|pack| pack.size != size);
        let new = other_size || known.is_none_or(|pack| matches!(pack.state, PackState::Damaged(_)));
        let modified = known.and_then(|pack| pack.modified);
        if new && known.is_some() {
            self.forget_rows(name);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a pack has at most MAX_CHUNKS entries")]
        let chunks = entries.len() as u32;
        let state = PackState::Present;
        self.packs.insert(name, Pack { size, chunks, state, added: self.sequence, modified });
        if new {
            let recent = Arc::make_mut(&mut self.recent);
            recent.extend(entries.iter().map(|entry| ((entry.id, name), entry.place)));
        }
    }

    /// Replaces what was known about a pack by what its footer says.
    pub(crate) fn replace(&mut self, name: TimeName, size: u64, entries: &[Entry]) {
        self.forget_rows(name);
        if let Some(pack) = self.packs.get_mut(&name) {
            pack.state = PackState::Damaged(PackError::FooterDigest); // so that its chunks are added
        }
        self.add(name, size, entries);
    }

    /// Returns whether this is what is known about a pack.
    pub(crate) fn agrees(&self, name: TimeName, size: u64, entries: &[Entry]) -> Result<bool, Damaged> {
        let known = self.packs.get(&name);
        let known = known.filter(|pack| pack.size == size && pack.chunks as usize == entries.len());
        if known.is_none_or(|pack| pack.state != PackState::Present) {
            return Ok(false);
        }
        for entry in entries {
            let copies = self.copies(&entry.id)?;
            if !copies.iter().any(|copy| copy.pack == name && copy.place == entry.place) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets which chunks are in a pack.
    fn forget_rows(&mut self, name: TimeName) {
        for number in self.numbers.iter_mut().filter(|number| **number == Some(name)) {
            *number = None;
        }
        if self.recent.keys().any(|(_, pack)| *pack == name) {
            Arc::make_mut(&mut self.recent).retain(|(_, pack), _| *pack != name);
        }
    }

    /// Adds a pack that is damaged.
    pub(crate) fn add_damaged(&mut self, name: TimeName, size: u64, error: PackError) {
        self.sequence += 1;
        let pack = self.packs.entry(name).or_insert(Pack {
            size,
            chunks: 0,
            state: PackState::Gone,
            added: self.sequence,
            modified: None,
        });
        pack.size = size;
        pack.state = PackState::Damaged(error);
    }

    /// Notes that a reader found the copy of a chunk in this pack damaged, so that readers use another one.
    pub(crate) fn add_damaged_copy(&mut self, id: ChunkId, pack: TimeName) {
        if self.damaged.len() < MOST_DAMAGED {
            self.damaged.insert((id, pack));
        }
    }

    /// Returns the length of a pack in bytes, if it is known.
    pub(crate) fn size_of(&self, name: TimeName) -> Option<u64> {
        self.packs.get(&name).map(|pack| pack.size)
    }

    /// Notes that these packs are doomed, by a doom that existed at the moment `seen`.
    pub(crate) fn doom(&mut self, doom: TimeName, packs: Vec<TimeName>, seen: Moment) {
        self.doomed.extend(packs.iter().copied());
        self.dooms.insert(doom, Doom { packs, seen });
    }

    pub(crate) fn knows_doom(&self, doom: TimeName) -> bool {
        self.dooms.contains_key(&doom)
    }

    pub(crate) fn newest_doom(&self) -> Option<TimeName> {
        self.dooms.last_key_value().map(|(name, _)| *name)
    }

    /// Returns the dooms that are known, and the packs of each.
    pub(crate) fn dooms(&self) -> impl Iterator<Item = (TimeName, &[TimeName])> {
        self.dooms.iter().map(|(name, doom)| (*name, doom.packs.as_slice()))
    }

    /// Applies a full list of dooms that was complete at the moment `now`. Forgets a doom that the list lacks if
    /// `is_over` returns `true` for the moment when the doom was last known to exist. Returns the packs that no
    /// doom names any longer.
    pub(crate) fn apply_dooms(
        &mut self,
        listed: &BTreeSet<TimeName>,
        now: Moment,
        is_over: impl Fn(Moment) -> bool,
    ) -> BTreeSet<TimeName> {
        let mut freed = BTreeSet::new();
        self.dooms.retain(|name, doom| {
            let listed = listed.contains(name);
            if listed {
                doom.seen = now;
            }
            let over = !listed && is_over(doom.seen);
            if over {
                freed.extend(doom.packs.iter().copied());
            }
            !over
        });
        if !freed.is_empty() {
            for pack in self.dooms.values().flat_map(|doom| &doom.packs) {
                freed.remove(pack); // another doom names it, too
            }
            self.doomed.retain(|pack| !freed.contains(pack));
        }
        freed
    }

    /// Forgets everything about packs: only a later list can show that one exists.
    pub(crate) fn forget_packs(&mut self, packs: &BTreeSet<TimeName>) {
        if packs.is_empty() {
            return;
        }
        self.packs.retain(|name, _| !packs.contains(name));
        self.damaged.retain(|(_, pack)| !packs.contains(pack));
        for number in &mut self.numbers {
            number.take_if(|name| packs.contains(name));
        }
        if self.recent.keys().any(|(_, pack)| packs.contains(pack)) {
            Arc::make_mut(&mut self.recent).retain(|(_, pack), _| !packs.contains(pack));
        }
    }

    /// Notes that a pack was deleted or not found.
    pub(crate) fn remove(&mut self, name: TimeName) {
        if let Some(pack) = self.packs.get_mut(&name) {
            pack.state = PackState::Gone;
        }
    }

    /// The number to pass to [`apply`](Self::apply) with a list of packs; take it before the list begins.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Applies a list of packs that began at `sequence`, and returns those whose footers must be read.
    /// If it was `full`, known packs that it lacks are gone.
    pub(crate) fn apply(&mut self, list: &[Found], full: bool, sequence: u64) -> Vec<(TimeName, u64)> {
        let mut unknown = Vec::new();
        let mut listed = BTreeSet::new();
        let mut appeared = false;
        for Found { name, size, modified } in list {
            let Ok(name) = name.parse::<TimeName>() else { continue };
            listed.insert(name);
            self.newest = self.newest.max(Some(name));
            match self.packs.get_mut(&name) {
                Some(pack) if pack.size == *size => {
                    pack.modified = Some(*modified);
                    if pack.state == PackState::Gone {
                        pack.state = PackState::Present;
                        appeared = true;
                    }
                    if let PackState::Damaged(PackError::Unreadable { .. }) = pack.state {
                        unknown.push((name, *size)); // perhaps it can be read now
                    }
                }
                // Either the view or the pack is wrong; the footer tells which.
                _ => unknown.push((name, *size)),
            }
        }
        self.foreign += u64::from(appeared || !unknown.is_empty());
        if full {
            for (name, pack) in &mut self.packs {
                if pack.added <= sequence && !listed.contains(name) {
                    pack.state = PackState::Gone;
                }
            }
            self.packs_listed = true;
        }
        unknown
    }

    /// Returns the value to pass to [`settle`](Self::settle) once all packs known now are durable, or `None`
    /// if they already are.
    pub(crate) fn unsettled(&self) -> Option<u64> {
        (self.settled < self.foreign).then_some(self.foreign)
    }

    /// Notes that packs are durable.
    pub(crate) fn settle(&mut self, foreign: u64) {
        self.settled = self.settled.max(foreign);
    }

    pub(crate) fn newest(&self) -> Option<TimeName> {
        self.newest
    }

    /// Returns the existing packs.
    pub(crate) fn present(&self) -> impl Iterator<Item = PresentPack<'_>> {
        let there = self.packs.iter().filter(|(_, pack)| pack.state != PackState::Gone);
        there.map(|(&name, Pack { size, chunks, state, modified, .. })| PresentPack {
            name,
            size: *size,
            chunks: *chunks,
            damage: if let PackState::Damaged(error) = state { Some(error) } else { None },
            modified: *modified,
            doomed: self.doomed.contains(&name),
        })
    }

    /// Number of chunks that are in no snapshot.
    pub(crate) fn recent_len(&self) -> usize {
        self.recent.len()
    }

    /// Returns the parts of the next snapshot.
    pub(crate) fn parts(&self) -> Parts {
        let present = self.packs.iter().filter(|(_, pack)| pack.state == PackState::Present);
        let packs: Vec<_> = present
            .map(|(&name, pack)| SnapshotPack { name, size: pack.size, chunks: pack.chunks })
            .collect();
        let numbers = (0..).zip(&packs).map(|(number, pack)| (pack.name, number)).collect();
        Parts {
            old_numbers: self.numbers.clone(),
            snapshot: self.snapshot.clone(),
            recent: Arc::clone(&self.recent),
            packs,
            numbers,
        }
    }

    /// Switches to a snapshot made of `parts`.
    pub(crate) fn adopt(&mut self, snapshot: Snapshot, parts: &Parts) {
        self.numbers = parts.packs.iter().map(|pack| Some(pack.name)).collect();
        self.snapshot = Some(Arc::new(snapshot));
        let numbers = &parts.numbers;
        if Arc::ptr_eq(&self.recent, &parts.recent) {
            self.recent = Arc::default();
        } else {
            Arc::make_mut(&mut self.recent).retain(|(_, pack), _| !numbers.contains_key(pack));
        }
        // Packs that are gone have no chunks any longer. If one comes back, its footer is read again.
        self.packs.retain(|name, pack| pack.state != PackState::Gone || numbers.contains_key(name));
    }
}

/// The parts of a snapshot.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) packs: Vec<SnapshotPack>,
    numbers: BTreeMap<TimeName, u32>,
    old_numbers: Vec<Option<TimeName>>,
    snapshot: Option<Arc<Snapshot>>,
    recent: Arc<BTreeMap<(ChunkId, TimeName), Place>>,
}

impl Parts {
    /// Returns the number of rows if no pack is gone.
    pub(crate) fn most_rows(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.len()) + self.recent.len()
    }

    /// Returns the rows of both tables in order, without those of packs that are gone.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row, Damaged>> + '_ {
        let old = self.snapshot.iter().flat_map(|snapshot| snapshot.rows()).filter_map(|row| match row {
            Ok(row) => {
                let number = *self.numbers.get(self.old_numbers.get(row.pack as usize)?.as_ref()?)?;
                Some(Ok(Row { pack: number, ..row }))
            }
            Err(damaged) => Some(Err(damaged)),
        });
        let recent = self
            .recent
            .iter()
            .filter_map(|(&(id, pack), &place)| Some(Ok(Row { id, pack: *self.numbers.get(&pack)?, place })));
        merge(old, recent)
    }
}

/// Merges two ordered lists of rows; an error comes first.
fn merge(
    one: impl Iterator<Item = Result<Row, Damaged>>,
    two: impl Iterator<Item = Result<Row, Damaged>>,
) -> impl Iterator<Item = Result<Row, Damaged>> {
    let (mut one, mut two) = (one.peekable(), two.peekable());
    std::iter::from_fn(move || match (one.peek(), two.peek()) {
        (Some(Ok(a)), Some(Ok(b))) if a.order() > b.order() => two.next(),
        (None, Some(_)) => two.next(),
        _ => one.next(),
    })
}
