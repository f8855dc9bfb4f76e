//! The memory that all requests share. A request that finds too little waits in line.
//!
//! It has parts, so that slow clients cannot take what others need:
//! - half for what lasts as long as a client likes: bodies that are arriving, lists of chunks to send, and chunks that
//!   are being sent;
//! - an eighth each for these three, while that half is taken; bodies are then spooled;
//! - the rest for work that lasts as long as the server needs.
//!
//! Those who hold memory for a body or a list may wait for the rest, and those who hold it for a list also for chunks.
//! Nobody else waits for memory while holding any, so nobody waits in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the budget.
const UNIT: u64 = 1 << 10;

/// Memory that requests share, first come, first served.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    paced: Part,
    spooled: Part,
    listed: Part,
    sent: Part,
    rest: Part,
    waiting: Arc<AtomicUsize>,
    line: usize,
}

/// A part of the memory.
#[derive(Clone, Debug)]
struct Part {
    free: Arc<Semaphore>,
    units: u32,
}

/// Memory that a request may use, until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation(OwnedSemaphorePermit);

/// There is too little memory, and the line is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy;

impl Part {
    fn new(units: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Takes memory, at most all, if it is free.
    fn try_take(&self, bytes: u64) -> Option<Reservation> {
        let units = units(bytes).min(self.units);
        Arc::clone(&self.free).try_acquire_many_owned(units).ok().map(Reservation)
    }

    /// Takes memory, at most all; waits until it is free.
    async fn take(&self, bytes: u64) -> Result<Reservation, Busy> {
        let units = units(bytes).min(self.units);
        let taken = Arc::clone(&self.free).acquire_many_owned(units).await;
        taken.map(Reservation).map_err(|_closed| Busy) // nobody closes it
    }

    /// Units that are taken.
    fn taken(&self) -> usize {
        (self.units as usize).saturating_sub(self.free.available_permits())
    }
}

impl Budget {
    /// Returns a budget of `bytes`; at most `line` requests wait for it.
    pub(super) fn new(bytes: u64, line: usize) -> Self {
        let units = units(bytes);
        let (paced, eighth) = (units / 2, units / 8);
        Self {
            paced: Part::new(paced),
            spooled: Part::new(eighth),
            listed: Part::new(eighth),
            sent: Part::new(eighth),
            rest: Part::new(units - paced - 3 * eighth),
            waiting: Arc::default(),
            line,
        }
    }

    /// Takes memory for work that lasts as long as the server needs; waits in line until it is free.
    ///
    /// Do not wait here while holding any that was taken here or to send.
    pub(super) async fn take(&self, bytes: u64) -> Result<Reservation, Busy> {
        if let Some(memory) = self.rest.try_take(bytes) {
            return Ok(memory);
        }
        let _place = self.join_line()?;
        self.rest.take(bytes).await
    }

    /// Does the same for a body that was spooled, which is not refused even if the line is full.
    pub(super) async fn take_for_spooled(&self, bytes: u64) -> Result<Reservation, Busy> {
        let _place = Place::new(&self.waiting);
        self.rest.take(bytes).await
    }

    /// Takes memory for as long as a client likes; waits until it is free.
    ///
    /// Do not wait here while holding any that was taken here.
    pub(super) async fn take_paced(&self, bytes: u64) -> Result<Reservation, Busy> {
        self.paced.take(bytes).await
    }

    /// Does the same if the memory is free.
    pub(super) fn try_take_paced(&self, bytes: u64) -> Option<Reservation> {
        self.paced.try_take(bytes)
    }

    /// Does the same if half of that part stays free.
    pub(super) fn spare_paced(&self, bytes: u64) -> Option<Reservation> {
        let needed = units(bytes) as usize + self.paced.units as usize / 2;
        (self.paced.free.available_permits() >= needed).then(|| self.paced.try_take(bytes)).flatten()
    }

    /// Takes memory for a list of chunks, until they are sent; waits in line until it is free.
    ///
    /// Do not wait here while holding any.
    pub(super) async fn take_listed(&self, bytes: u64) -> Result<Reservation, Busy> {
        if let Some(memory) = self.spare_paced(bytes).or_else(|| self.listed.try_take(bytes)) {
            return Ok(memory);
        }
        let _place = self.join_line()?;
        self.listed.take(bytes).await
    }

    /// Takes memory for chunks until they are sent; waits until it is free.
    ///
    /// Do not wait here while holding any that was taken here.
    pub(super) async fn take_to_send(&self, bytes: u64) -> Result<Reservation, Busy> {
        match self.paced.try_take(bytes) {
            Some(memory) => Ok(memory),
            None => self.sent.take(bytes).await,
        }
    }

    /// Takes memory for a body while that half is taken, if it is free.
    pub(super) fn try_take_spooled(&self, bytes: u64) -> Option<Reservation> {
        self.spooled.try_take(bytes)
    }

    /// Returns a place in the line.
    pub(super) fn join_line(&self) -> Result<Place, Busy> {
        let (place, before) = Place::new(&self.waiting);
        if before < self.line { Ok(place) } else { Err(Busy) }
    }

    /// Bytes that are taken.
    pub(super) fn taken(&self) -> u64 {
        [&self.paced, &self.spooled, &self.listed, &self.sent, &self.rest]
            .map(Part::taken)
            .iter()
            .sum::<usize>() as u64
            * UNIT
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Reservation {
    /// Gives back all but `bytes`.
    pub(super) fn shrink(&mut self, bytes: u64) {
        drop(self.0.split(self.0.num_permits().saturating_sub(units(bytes) as usize)));
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// A place in the line.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// Returns a place, and how many there were before it.
    fn new(waiting: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(waiting)), before)
    }
}

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
        let budget = Budget::new(80 * UNIT, 2); // of which 10 for this
        let mut first = budget.take(7 * UNIT).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(budget.take(4 * UNIT));
        assert!(second.as_mut().now_or_never().is_none());
        let mut third = Box::pin(budget.take(100 * UNIT)); // more than all: it gets all
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(budget.waiting(), 2);
        assert!(budget.take(4 * UNIT).now_or_never().unwrap().is_err());
        let mut spooled = Box::pin(budget.take_for_spooled(UNIT));
        assert!(spooled.as_mut().now_or_never().is_none(), "it is not refused");
        first.shrink(5 * UNIT);
        let second = second.now_or_never().unwrap().unwrap();
        assert!(third.as_mut().now_or_never().is_none());
        drop((first, second));
        let third = third.now_or_never().unwrap().unwrap();
        assert_eq!((budget.taken(), budget.waiting()), (10 * UNIT, 1));
        drop(third);
        drop(spooled.now_or_never().unwrap().unwrap());
        assert_eq!((budget.taken(), budget.waiting()), (0, 0));
    }

    #[test]
    fn no_part_takes_from_another() {
        let budget = Budget::new(16 * UNIT, 0);
        let first = budget.spare_paced(4 * UNIT).unwrap();
        assert!(budget.spare_paced(UNIT).is_none());
        let second = budget.try_take_paced(4 * UNIT).unwrap();
        assert!(budget.try_take_paced(UNIT).is_none());
        let mut third = Box::pin(budget.take_paced(100 * UNIT));
        assert!(third.as_mut().now_or_never().is_none());
        let others = budget.take(100 * UNIT).now_or_never().unwrap().unwrap();
        assert_eq!(budget.taken(), 10 * UNIT);
        let listed = budget.take_listed(2 * UNIT).now_or_never().unwrap().unwrap();
        assert!(budget.take_listed(UNIT).now_or_never().unwrap().is_err());
        let sent = budget.take_to_send(2 * UNIT).now_or_never().unwrap().unwrap();
        assert!(budget.take_to_send(UNIT).now_or_never().is_none());
        let spooled = budget.try_take_spooled(2 * UNIT).unwrap();
        assert!(budget.try_take_spooled(UNIT).is_none() && budget.join_line().is_err());
        assert_eq!(budget.taken(), 16 * UNIT);
        drop((first, second));
        let third = third.now_or_never().unwrap().unwrap();
        drop((third, others, listed, spooled, sent));
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let budget = Budget::new(8 * UNIT, 1);
        let _all = budget.take(UNIT).now_or_never().unwrap().unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(budget.take(UNIT));
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        assert_eq!(budget.waiting(), 0);
    }
}
