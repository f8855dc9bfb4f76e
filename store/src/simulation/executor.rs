//! One thread, one seed: tasks of many nodes, a clock that jumps, and the order of everything drawn by lot.

use super::broken;
use crate::host::Host;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

/// SplitMix64 (Steele et al., 2014).
#[derive(Clone, Debug)]
pub(super) struct Lot(u64);

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Returns one of the places before `end`.
    pub(super) fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }

    /// Says yes in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: f64) -> bool {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 * 100.0 < percent
    }

    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(most.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A node: what crashes and pauses as a whole.
pub(super) type NodeId = usize;

/// A fault: the node that it hits, and which of the moments at which one could.
pub(super) type Fault = (NodeId, u64);

#[derive(Debug)]
pub(super) struct Executor {
    state: Mutex<State>,
    ready: Arc<Mutex<Vec<u64>>>,
}

struct Task {
    node: NodeId,
    future: Option<BoxFuture<'static, ()>>,
}

#[derive(Default)]
struct State {
    now: Duration,
    lot: Option<Lot>,
    tasks: BTreeMap<u64, Task>,
    timers: BTreeMap<(Duration, u64), Waker>,
    paused: BTreeMap<NodeId, Duration>,
    crashed: Vec<NodeId>,
    next: u64,
    steps: u64,
    faults: Faults,
}

/// Which faults a run has. Each depends on the seed and on its own place alone, so that a run can be repeated
/// without some of them.
#[derive(Default)]
struct Faults {
    seed: u64,
    /// Those that may happen, or all.
    only: Option<BTreeSet<Fault>>,
    /// The number of moments at which each node could have been hit.
    moments: BTreeMap<NodeId, u64>,
    happened: Vec<Fault>,
    /// Percentage of the times that a task waits at which its node crashes.
    mortality: f64,
    /// Steps after which a run is given up.
    most_steps: Option<u64>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("now", &self.now).finish_non_exhaustive()
    }
}

struct Alarm {
    task: u64,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push(self.task);
    }
}

impl Executor {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let faults = Faults { seed, ..Faults::default() };
        let state = State { lot: Some(Lot::new(seed)), faults, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), ready: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut Lot) -> T) -> T {
        let mut state = self.state();
        draw(state.lot.as_mut().unwrap())
    }

    pub(super) fn now(&self) -> Duration {
        self.state().now
    }

    pub(super) fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets no faults happen but these.
    pub(super) fn allow_only(&self, faults: BTreeSet<Fault>) {
        self.state().faults.only = Some(faults);
    }

    /// Returns the faults that happened.
    pub(super) fn happened(&self) -> Vec<Fault> {
        self.state().faults.happened.clone()
    }

    /// A node begins its work number `epoch`: its faults from now on do not depend on what it did before.
    pub(super) fn begin(&self, node: NodeId, epoch: u64) {
        let faults = &mut self.state().faults;
        let moment = faults.moments.entry(node).or_default();
        *moment = (*moment).max((epoch + 1) << 32); // what it does again after a crash is not hit again alike
    }

    /// Returns whether a node is hit by a fault that happens in `percent` of a hundred cases.
    pub(super) fn hits(&self, node: NodeId, percent: f64) -> bool {
        if percent == 0.0 {
            return false;
        }
        let faults = &mut self.state().faults;
        let moment = faults.moments.entry(node).or_default();
        *moment += 1;
        let fault = (node, *moment);
        let place = Lot::new(node as u64 ^ 0x6661_756c).next() ^ *moment;
        let hit = Lot::new(faults.seed ^ Lot::new(place).next()).chance(percent);
        let hit = hit && faults.only.as_ref().is_none_or(|only| only.contains(&fault));
        if hit {
            faults.happened.push(fault);
        }
        hit
    }

    /// From now on a node crashes in `percent` of the cases that one of its tasks waits.
    pub(super) fn set_mortality(&self, percent: f64) {
        self.state().faults.mortality = percent;
    }

    /// Gives up the run after `most` steps.
    pub(super) fn limit_steps(&self, most: u64) {
        self.state().faults.most_steps = Some(most);
    }

    /// Drops all tasks, which keep one another alive.
    pub(super) fn clear(&self) {
        let tasks = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).tasks);
        drop(tasks);
    }

    pub(super) fn spawn(&self, node: NodeId, future: BoxFuture<'static, ()>) {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, Task { node, future: Some(future) });
        drop(state);
        self.ready.lock().unwrap().push(id);
    }

    /// Ends all tasks of a node as soon as the current one waits.
    pub(super) fn crash(&self, node: NodeId) {
        self.state().crashed.push(node);
    }

    /// Lets no task of a node run for a while.
    pub(super) fn pause(&self, node: NodeId, duration: Duration) {
        let mut state = self.state();
        let until = state.now + duration;
        state.paused.insert(node, until);
    }

    pub(super) fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        Sleep { executor: Arc::clone(self), until: self.now() + duration }
    }

    /// Runs until nothing is left to do; `crashed` hears of nodes that did.
    pub(super) fn run(&self, mut crashed: impl FnMut(NodeId)) {
        loop {
            let crashed_nodes = std::mem::take(&mut self.state().crashed);
            for node in crashed_nodes {
                let dead = {
                    let mut state = self.state();
                    let ids: Vec<u64> =
                        state.tasks.iter().filter(|(_, task)| task.node == node).map(|(&id, _)| id).collect();
                    ids.into_iter().filter_map(|id| state.tasks.remove(&id)).collect::<Vec<_>>()
                };
                drop(dead); // outside the lock: what dies may wake others
                crashed(node);
            }
            let Some(id) = self.next_ready() else {
                let mut state = self.state();
                let Some(((time, _), waker)) = state.timers.pop_first() else { return };
                state.now = state.now.max(time);
                drop(state);
                waker.wake();
                continue;
            };
            let (node, future) = {
                let mut state = self.state();
                let Some(task) = state.tasks.get_mut(&id) else { continue };
                (task.node, task.future.take())
            };
            let Some(mut future) = future else { continue };
            let waker = Waker::from(Arc::new(Alarm { task: id, ready: Arc::clone(&self.ready) }));
            let paused = {
                let mut state = self.state();
                state.steps += 1;
                if state.faults.most_steps.is_some_and(|most| state.steps > most) {
                    drop(state);
                    broken("every client ends", "too many steps");
                }
                let until = state.paused.get(&node).copied().filter(|&until| until > state.now);
                if let Some(until) = until {
                    let timer = state.next;
                    state.next += 1;
                    state.timers.insert((until, timer), waker.clone());
                }
                until.is_some()
            };
            let done = !paused && future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut state = self.state();
            if done {
                let task = state.tasks.remove(&id);
                drop(state);
                drop((task, future));
            } else if let Some(task) = state.tasks.get_mut(&id) {
                task.future = Some(future);
                let mortality = state.faults.mortality;
                drop(state);
                if !paused && self.hits(node, mortality) {
                    self.crash(node);
                }
            }
        }
    }

    fn next_ready(&self) -> Option<u64> {
        let mut ready = self.ready.lock().unwrap();
        if ready.is_empty() {
            return None;
        }
        let index = self.draw(|lot| lot.below(ready.len() as u64));
        Some(ready.swap_remove(usize::try_from(index).unwrap()))
    }
}

#[derive(Debug)]
pub(super) struct Sleep {
    executor: Arc<Executor>,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.executor.state();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        let timer = state.next;
        state.next += 1;
        state.timers.insert((self.until, timer), context.waker().clone());
        Poll::Pending
    }
}

/// The machine of a node, whose clock may be wrong.
#[derive(Debug)]
pub(super) struct SimulatedHost {
    pub(super) executor: Arc<Executor>,
    pub(super) node: NodeId,
    /// Milliseconds that this node's clock is ahead.
    pub(super) skew: i64,
}

/// When the simulation begins.
pub(super) const START: Duration = Duration::from_secs(1_800_000_000);

impl Host for SimulatedHost {
    fn now(&self) -> SystemTime {
        let now = START + self.executor.now();
        let skew = Duration::from_millis(self.skew.unsigned_abs());
        SystemTime::UNIX_EPOCH + if self.skew < 0 { now - skew } else { now + skew }
    }

    fn elapsed(&self) -> Duration {
        self.executor.now()
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.executor.draw(|lot| {
            for chunk in bytes.chunks_mut(8) {
                chunk.copy_from_slice(&lot.next().to_le_bytes()[..chunk.len()]);
            }
        });
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.executor.sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.executor.spawn(self.node, task);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn parallelism(&self) -> usize {
        2
    }
}
