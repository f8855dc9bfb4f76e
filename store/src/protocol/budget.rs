//! The memory that all requests share. A request that finds too little waits in line.
//!
//! Packs that are still arriving take at most half of it, so that slow clients leave the other half to everyone else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the budget.
const UNIT: u64 = 1 << 10;

/// Memory that requests share, first come, first served.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    /// What packs that are arriving may still take.
    arriving: Arc<Semaphore>,
    units: u32,
    waiting: Arc<AtomicUsize>,
    line: usize,
}

/// Memory that a request may use, until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    taken: OwnedSemaphorePermit,
    /// The same, of what packs that are arriving may take, if it is for one of them.
    _arriving: Option<OwnedSemaphorePermit>,
}

/// There is no memory, and the line is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy;

impl Budget {
    /// Returns a budget of `bytes`; at most `line` requests wait for it.
    pub(super) fn new(bytes: u64, line: usize) -> Self {
        let units = units(bytes);
        let of = |units: u32| Arc::new(Semaphore::new(units as usize));
        Self { free: of(units), arriving: of(units / 2), units, waiting: Arc::default(), line }
    }

    /// Takes memory, at most the whole budget; waits in line until it is free.
    ///
    /// Do not wait here while holding a reservation: waiters would deadlock.
    pub(super) async fn take(&self, bytes: u64) -> Result<Reservation, Busy> {
        match self.try_take(bytes) {
            Some(memory) => Ok(memory),
            None => self.take_in_line(&self.join_line()?, bytes).await,
        }
    }

    /// Takes memory, at most the whole budget, if it is free.
    pub(super) fn try_take(&self, bytes: u64) -> Option<Reservation> {
        let units = units(bytes).min(self.units);
        Arc::clone(&self.free).try_acquire_many_owned(units).ok().map(Reservation::new)
    }

    /// Returns a place in the line.
    pub(super) fn join_line(&self) -> Result<Place, Busy> {
        let place = Place(Arc::clone(&self.waiting));
        if place.0.fetch_add(1, Ordering::Relaxed) < self.line { Ok(place) } else { Err(Busy) }
    }

    /// Does as [`take`](Self::take), for whoever has a place in the line.
    pub(super) async fn take_in_line(&self, _place: &Place, bytes: u64) -> Result<Reservation, Busy> {
        acquire(&self.free, units(bytes).min(self.units)).await.map(Reservation::new)
    }

    /// Does the same for a pack that is arriving.
    pub(super) async fn take_for_arrival(&self, _place: &Place, bytes: u64) -> Result<Reservation, Busy> {
        let arriving = acquire(&self.arriving, units(bytes).min(self.units / 2)).await?;
        let taken = acquire(&self.free, units(bytes).min(self.units)).await?;
        Ok(Reservation { taken, _arriving: Some(arriving) })
    }

    /// Does the same, if the memory is free.
    pub(super) fn try_take_for_arrival(&self, bytes: u64) -> Option<Reservation> {
        let units = units(bytes).min(self.units / 2);
        let arriving = Arc::clone(&self.arriving).try_acquire_many_owned(units).ok()?;
        Some(Reservation { _arriving: Some(arriving), ..self.try_take(bytes)? })
    }

    /// Returns how many bytes [`take`](Self::take) takes for `bytes`: no more than the whole budget.
    pub(super) fn within(&self, bytes: u64) -> u64 {
        bytes.min(u64::from(self.units) * UNIT)
    }

    /// Takes memory if half of the budget stays free; otherwise returns nothing.
    pub(super) fn spare(&self, bytes: u64) -> Option<Reservation> {
        let units = units(bytes);
        let plenty = self.free.available_permits() >= units as usize + self.units as usize / 2;
        let permit = plenty.then(|| Arc::clone(&self.free).try_acquire_many_owned(units).ok());
        permit.flatten().map(Reservation::new)
    }

    /// Bytes that are taken.
    pub(super) fn taken(&self) -> u64 {
        (self.units as usize).saturating_sub(self.free.available_permits()) as u64 * UNIT
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Reservation {
    const fn new(taken: OwnedSemaphorePermit) -> Self {
        Self { taken, _arriving: None }
    }

    /// Gives back all but `bytes`; returns whether there are that many.
    pub(super) fn shrink(&mut self, bytes: u64) -> bool {
        let (has, needs) = (self.taken.num_permits(), units(bytes) as usize);
        drop(self.taken.split(has.saturating_sub(needs)));
        has >= needs
    }

    /// Adds what another one holds.
    pub(super) fn merge(&mut self, other: Self) {
        self.taken.merge(other.taken);
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
        let budget = Budget::new(10 * UNIT, 2);
        let mut first = budget.take(8 * UNIT).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(budget.take(4 * UNIT));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(budget.within(100 * UNIT), 10 * UNIT);
        let mut third = Box::pin(budget.take(100 * UNIT)); // more than all: it gets all
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(budget.waiting(), 2);
        assert!(budget.take(4 * UNIT).now_or_never().unwrap().is_err());
        assert!(first.shrink(6 * UNIT));
        let second = second.now_or_never().unwrap().unwrap();
        assert!(third.as_mut().now_or_never().is_none());
        drop((first, second));
        let third = third.now_or_never().unwrap().unwrap();
        assert_eq!((budget.taken(), budget.waiting()), (10 * UNIT, 0));
        drop(third);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn packs_that_are_arriving_leave_half_to_others() {
        let budget = Budget::new(10 * UNIT, 1);
        let first = budget.try_take_for_arrival(3 * UNIT).unwrap();
        assert!(budget.try_take_for_arrival(3 * UNIT).is_none());
        let place = budget.join_line().unwrap();
        let mut second = Box::pin(budget.take_for_arrival(&place, 3 * UNIT));
        assert!(second.as_mut().now_or_never().is_none());
        let others = budget.try_take(7 * UNIT).unwrap();
        drop(first);
        assert!(second.as_mut().now_or_never().is_some_and(|taken| taken.is_ok()));
        drop((others, second));
        assert_eq!(budget.taken(), 0);
        let _large = budget.try_take_for_arrival(8 * UNIT).unwrap(); // more than half: it gets it all the same
        assert_eq!(budget.taken(), 8 * UNIT);
        assert!(budget.try_take_for_arrival(UNIT).is_none());
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let budget = Budget::new(UNIT, 1);
        let _all = budget.take(UNIT).now_or_never().unwrap().unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(budget.take(UNIT));
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        assert_eq!(budget.waiting(), 0);
    }

    #[test]
    fn spare_memory_leaves_half() {
        let budget = Budget::new(10 * UNIT, 0);
        let mut first = budget.spare(3 * UNIT).unwrap();
        assert!(budget.spare(3 * UNIT).is_none());
        first.merge(budget.spare(2 * UNIT).unwrap());
        assert_eq!(budget.taken(), 5 * UNIT);
        assert!(first.shrink(UNIT) && !first.shrink(2 * UNIT));
        assert_eq!(budget.taken(), UNIT);
    }
}
