//! The memory that all requests share. A request that finds too little waits in line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the budget.
const UNIT: u64 = 1 << 10;

/// Memory that requests share, first come, first served.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    units: u32,
    waiting: Arc<AtomicUsize>,
    line: usize,
}

/// Memory that a request may use, until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation(OwnedSemaphorePermit);

/// The line is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy;

impl Budget {
    /// Returns a budget of `bytes`; at most `line` requests wait for it.
    pub(super) fn new(bytes: u64, line: usize) -> Self {
        let units = units(bytes);
        let free = Arc::new(Semaphore::new(units as usize));
        Self { free, units, waiting: Arc::default(), line }
    }

    /// Takes memory, at most the whole budget; waits until it is free.
    ///
    /// Do not wait here while holding a reservation: waiters would deadlock.
    pub(super) async fn take(&self, bytes: u64) -> Result<Reservation, Busy> {
        let units = units(bytes).min(self.units);
        let take = |free: &Arc<Semaphore>| Arc::clone(free).try_acquire_many_owned(units);
        if let Ok(permit) = take(&self.free) {
            return Ok(Reservation(permit));
        }
        let _place = Place::take(&self.waiting, self.line).ok_or(Busy)?;
        let permit = Arc::clone(&self.free).acquire_many_owned(units).await;
        permit.map(Reservation).map_err(|_closed| Busy)
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
        permit.flatten().map(Reservation)
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
    /// Gives back all but `bytes`; returns whether there are that many.
    pub(super) fn shrink(&mut self, bytes: u64) -> bool {
        let (has, needs) = (self.0.num_permits(), units(bytes) as usize);
        drop(self.0.split(has.saturating_sub(needs)));
        has >= needs
    }

    /// Adds what another one holds.
    pub(super) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// A place in the line.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, line: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < line).then_some(place)
    }
}

impl Drop for Place<'_> {
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
