//! The memory that all requests share. A request that finds too little waits in line.
//!
//! Clients decide for how long some requests hold memory: a pack that is arriving, and an answer that is being read. These
//! take at most half of it, so that slow clients leave the rest to everyone else. (Only answers that have less than a
//! slice in memory take it from the rest.)

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the budget.
const UNIT: u64 = 1 << 10;

/// Memory that requests share, first come, first served.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    /// What is free of the half for requests that last as long as their clients like.
    paced: Arc<Semaphore>,
    /// An eighth of the memory, for work that waits for nobody.
    brief: Arc<Semaphore>,
    units: u32,
    waiting: Arc<AtomicUsize>,
    line: usize,
}

/// Memory that a request may use, until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    taken: OwnedSemaphorePermit,
    /// The same of [`Budget::paced`], if it is for as long as a client likes.
    paced: Option<OwnedSemaphorePermit>,
}

/// There is no memory, and the line is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy;

impl Budget {
    /// Returns a budget of `bytes`; at most `line` requests wait for it.
    pub(super) fn new(bytes: u64, line: usize) -> Self {
        let units = units(bytes);
        let of = |units: u32| Arc::new(Semaphore::new(units as usize));
        let brief = units / 8;
        Self {
            free: of(units - brief),
            paced: of(units / 2),
            brief: of(brief),
            units,
            waiting: Arc::default(),
            line,
        }
    }

    /// Takes memory; waits in line until it is free.
    ///
    /// Do not wait here while holding a reservation: waiters would deadlock.
    pub(super) async fn take(&self, bytes: u64) -> Result<Reservation, Busy> {
        match self.try_take(bytes) {
            Some(memory) => Ok(memory),
            None => self.take_in_line(&self.join_line()?, bytes).await,
        }
    }

    /// Takes memory if it is free.
    pub(super) fn try_take(&self, bytes: u64) -> Option<Reservation> {
        let taken = Arc::clone(&self.free).try_acquire_many_owned(self.most(bytes)).ok()?;
        Some(Reservation { taken, paced: None })
    }

    /// Returns a place in the line.
    pub(super) fn join_line(&self) -> Result<Place, Busy> {
        let place = Place(Arc::clone(&self.waiting));
        if place.0.fetch_add(1, Ordering::Relaxed) < self.line { Ok(place) } else { Err(Busy) }
    }

    /// Does as [`take`](Self::take), for whoever has a place in the line.
    pub(super) async fn take_in_line(&self, _place: &Place, bytes: u64) -> Result<Reservation, Busy> {
        let taken = acquire(&self.free, self.most(bytes)).await?;
        Ok(Reservation { taken, paced: None })
    }

    /// Does the same, for as long as a client likes.
    pub(super) async fn take_paced(&self, _place: &Place, bytes: u64) -> Result<Reservation, Busy> {
        let units = self.most_paced(bytes);
        let paced = acquire(&self.paced, units).await?;
        let taken = acquire(&self.free, units).await?;
        Ok(Reservation { taken, paced: Some(paced) })
    }

    /// Does the same, if the memory is free and enough of it is left.
    pub(super) fn try_take_paced(&self, bytes: u64, leaving: Leaving) -> Option<Reservation> {
        let (all, units) = (self.units / 2, self.most_paced(bytes));
        if self.paced.available_permits() < (units + all / 4 * leaving as u32) as usize {
            return None;
        }
        let paced = Arc::clone(&self.paced).try_acquire_many_owned(units).ok()?;
        let taken = Arc::clone(&self.free).try_acquire_many_owned(units).ok()?;
        Some(Reservation { taken, paced: Some(paced) })
    }

    /// Returns how many bytes [`take`](Self::take) takes for `bytes`.
    pub(super) fn within(&self, bytes: u64) -> u64 {
        bytes.min(u64::from(self.most(u64::MAX)) * UNIT)
    }

    /// Takes memory for work that waits for nobody; holders of other memory may wait here.
    pub(super) async fn take_briefly(&self, bytes: u64) -> Result<Reservation, Busy> {
        let taken = acquire(&self.brief, units(bytes).min(self.units / 8)).await?;
        Ok(Reservation { taken, paced: None })
    }

    /// Returns the units to take for `bytes`: no more than what slow clients always leave.
    fn most(&self, bytes: u64) -> u32 {
        units(bytes).min(self.units - self.units / 8 - self.units / 2)
    }

    /// Returns the units to take for as long as a client likes.
    fn most_paced(&self, bytes: u64) -> u32 {
        units(bytes).min(self.units / 2)
    }

    /// Bytes that are taken.
    pub(super) fn taken(&self) -> u64 {
        let free = self.free.available_permits() + self.brief.available_permits();
        (self.units as usize).saturating_sub(free) as u64 * UNIT
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// How much is left of the memory for as long as clients like, in quarters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaving {
    Nothing = 0,
    Quarter = 1,
    Half = 2,
}

impl Reservation {
    /// Gives back all but `bytes`; returns whether there are that many.
    pub(super) fn shrink(&mut self, bytes: u64) -> bool {
        let (has, needs) = (self.taken.num_permits(), units(bytes) as usize);
        drop(self.taken.split(has.saturating_sub(needs)));
        has >= needs
    }

    /// Adds what another one holds.
    pub(super) fn merge(&mut self, other: Self) {
        self.taken.merge(other.taken);
        match (&mut self.paced, other.paced) {
            (Some(paced), Some(other)) => paced.merge(other),
            (paced, other) => *paced = paced.take().or(other),
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

async fn acquire(semaphore: &Arc<Semaphore>, units: u32) -> Result<OwnedSemaphorePermit, Busy> {
    let permit = Arc::clone(semaphore).acquire_many_owned(units).await;
    permit.map_err(|_closed| Busy) // nobody closes it
}

/// A place in the line.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn who_finds_too_little_waits_in_line_and_who_finds_the_line_full_is_refused() {
        let budget = Budget::new(24 * UNIT, 2);
        let others = budget.try_take_paced(12 * UNIT, Leaving::Nothing).unwrap();
        let mut first = budget.take(7 * UNIT).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(budget.take(4 * UNIT));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(budget.within(100 * UNIT), 9 * UNIT);
        let mut third = Box::pin(budget.take(100 * UNIT)); // it gets what slow clients always leave
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(budget.waiting(), 2);
        assert!(budget.take(4 * UNIT).now_or_never().unwrap().is_err());
        assert!(first.shrink(5 * UNIT));
        let second = second.now_or_never().unwrap().unwrap();
        assert!(third.as_mut().now_or_never().is_none());
        drop((first, second));
        let third = third.now_or_never().unwrap().unwrap();
        let brief = budget.take_briefly(100 * UNIT).now_or_never().unwrap().unwrap();
        assert_eq!((budget.taken(), budget.waiting()), (24 * UNIT, 0));
        assert!(budget.take_briefly(UNIT).now_or_never().is_none());
        drop((others, third, brief));
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn slow_clients_leave_half_to_others() {
        let budget = Budget::new(16 * UNIT, 1);
        let first = budget.try_take_paced(4 * UNIT, Leaving::Half).unwrap();
        assert!(budget.try_take_paced(UNIT, Leaving::Half).is_none());
        let second = budget.try_take_paced(2 * UNIT, Leaving::Quarter).unwrap();
        assert!(budget.try_take_paced(UNIT, Leaving::Quarter).is_none());
        let mut third = budget.try_take_paced(2 * UNIT, Leaving::Nothing).unwrap();
        let place = budget.join_line().unwrap();
        let mut fourth = Box::pin(budget.take_paced(&place, 2 * UNIT));
        assert!(fourth.as_mut().now_or_never().is_none());
        let others = budget.try_take(6 * UNIT).unwrap();
        drop(second);
        drop(fourth.now_or_never().unwrap().unwrap());
        third.merge(others);
        assert_eq!(budget.taken(), 12 * UNIT);
        assert!(third.shrink(UNIT) && !third.shrink(2 * UNIT));
        assert_eq!(budget.taken(), 5 * UNIT);
        drop((first, third));
        let _large = budget.try_take_paced(100 * UNIT, Leaving::Nothing).unwrap();
        assert_eq!(budget.taken(), 8 * UNIT);
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let budget = Budget::new(8 * UNIT, 1);
        let _all = [3, 3, 1].map(|part| budget.take(part * UNIT).now_or_never().unwrap().unwrap());
        for _ in 0..3 {
            let mut waiting = Box::pin(budget.take(UNIT));
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        assert_eq!(budget.waiting(), 0);
    }
}
