//! The memory that all requests share. A request that finds too little waits in line.
//!
//! It has parts, so that slow clients cannot take what others need:
//! - half for what lasts as long as a client likes: bodies that are arriving, lists of chunks to send, and chunks that
//!   are being sent;
//! - while that half is taken, a sixteenth for bodies, which are then spooled, a sixteenth for lists, and an eighth for
//!   chunks;
//! - an eighth for receiving spooled packs, because small requests should not queue behind large packs;
//! - the rest for other work that lasts as long as the server needs.
//!
//! Those who hold memory for a body may wait for `received`, `listed` or `rest`; those who hold `listed`, for
//! chunks to send or for `rest`. Nobody else waits for memory while holding any, so nobody waits in a circle.
//! Each part has a line of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the budget.
const UNIT: u64 = 1 << 10;
/// Limit for the lists of chunks that have arrived and wait for memory.
const WAITING_BODIES: usize = 8;

/// Memory that requests share, first come, first served.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    paced: Part,
    spooled: Part,
    listed: Part,
    sent: Part,
    received: Part,
    rest: Part,
    /// Limit for the requests that wait for one part.
    line: usize,
}

/// A part of the memory.
#[derive(Clone, Debug)]
struct Part {
    free: Arc<Semaphore>,
    units: u32,
    waiting: Arc<AtomicUsize>,
}

/// Memory that a request may use, until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation(OwnedSemaphorePermit);

/// There is too little memory, and the line is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy;

impl Part {
    fn new(units: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(units as usize)), units, waiting: Arc::default() }
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

    /// Returns a place in the line, which has `most`.
    fn join_line(&self, most: usize) -> Result<Place, Busy> {
        let (place, before) = Place::new(&self.waiting);
        if before < most { Ok(place) } else { Err(Busy) }
    }

    /// Units that are taken.
    fn taken(&self) -> usize {
        (self.units as usize).saturating_sub(self.free.available_permits())
    }
}

impl Budget {
    /// Returns a budget of `bytes`; at most `line` requests wait for each part.
    pub(super) fn new(bytes: u64, line: usize) -> Self {
        let units = units(bytes);
        let (paced, eighth, sixteenth) = (units / 2, units / 8, units / 16);
        Self {
            paced: Part::new(paced),
            spooled: Part::new(sixteenth),
            listed: Part::new(sixteenth),
            sent: Part::new(eighth),
            received: Part::new(eighth),
            rest: Part::new(units - paced - 2 * eighth - 2 * sixteenth),
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
        let _place = self.rest.join_line(self.line)?;
        self.rest.take(bytes).await
    }

    /// Does the same for a body that has arrived, which is not refused even if the line is full.
    pub(super) async fn take_for_body(&self, bytes: u64) -> Result<Reservation, Busy> {
        let _place = Place::new(&self.rest.waiting);
        self.rest.take(bytes).await
    }

    /// Takes memory to receive a spooled pack; waits until it is free.
    ///
    /// Do not wait here while holding any that was taken here.
    pub(super) async fn take_to_receive(&self, bytes: u64) -> Result<Reservation, Busy> {
        let _place = Place::new(&self.received.waiting);
        self.received.take(bytes).await
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

    /// Does the same, at most for half of that part, if the other half stays free.
    pub(super) fn spare_paced(&self, bytes: u64) -> Option<Reservation> {
        let half = self.paced.units / 2;
        let wanted = units(bytes).min(half);
        let is_free = self.paced.free.available_permits() >= (wanted + half) as usize;
        is_free.then(|| self.paced.try_take(u64::from(wanted) * UNIT)).flatten()
    }

    /// Takes memory for a list of chunks, until they are sent; waits in line until it is free.
    ///
    /// Do not wait here while holding any.
    pub(super) async fn take_listed(&self, bytes: u64) -> Result<Reservation, Busy> {
        self.take_listed_in_line(bytes, self.line).await
    }

    /// Does the same for a list that has arrived. Few may wait, because each holds the memory of its body.
    pub(super) async fn take_listed_for_body(&self, bytes: u64) -> Result<Reservation, Busy> {
        self.take_listed_in_line(bytes, self.line.min(WAITING_BODIES)).await
    }

    async fn take_listed_in_line(&self, bytes: u64, line: usize) -> Result<Reservation, Busy> {
        if let Some(memory) = self.spare_paced(bytes).or_else(|| self.listed.try_take(bytes)) {
            return Ok(memory);
        }
        let _place = self.listed.join_line(line)?;
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

    /// Takes memory for a commit while it waits for packs, so that others can work meanwhile, if it is free.
    pub(super) fn try_take_for_waiting(&self, bytes: u64) -> Option<Reservation> {
        self.paced.try_take(bytes).or_else(|| self.spooled.try_take(bytes))
    }

    /// Returns a place in the line of bodies.
    pub(super) fn join_line(&self) -> Result<Place, Busy> {
        self.paced.join_line(self.line)
    }

    /// Bytes that are taken.
    pub(super) fn taken(&self) -> u64 {
        self.parts().map(Part::taken).iter().sum::<usize>() as u64 * UNIT
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.parts().map(|part| part.waiting.load(Ordering::Relaxed)).iter().sum()
    }

    fn parts(&self) -> [&Part; 6] {
        [&self.paced, &self.spooled, &self.listed, &self.sent, &self.received, &self.rest]
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
        let budget = Budget::new(40 * UNIT, 2); // of which 6 for this
        let mut first = budget.take(4 * UNIT).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(budget.take(3 * UNIT));
        assert!(second.as_mut().now_or_never().is_none());
        let mut third = Box::pin(budget.take(100 * UNIT)); // more than all: it gets all
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(budget.waiting(), 2);
        assert!(budget.take(4 * UNIT).now_or_never().unwrap().is_err());
        let mut spooled = Box::pin(budget.take_for_body(UNIT));
        assert!(spooled.as_mut().now_or_never().is_none(), "it is not refused");
        first.shrink(3 * UNIT);
        let second = second.now_or_never().unwrap().unwrap();
        assert!(third.as_mut().now_or_never().is_none());
        drop((first, second));
        let third = third.now_or_never().unwrap().unwrap();
        assert_eq!((budget.taken(), budget.waiting()), (6 * UNIT, 1));
        drop(third);
        drop(spooled.now_or_never().unwrap().unwrap());
        assert_eq!((budget.taken(), budget.waiting()), (0, 0));
    }

    #[test]
    fn no_part_takes_from_another() {
        let budget = Budget::new(32 * UNIT, 0);
        let first = budget.spare_paced(100 * UNIT).unwrap(); // half of it
        assert!(budget.spare_paced(UNIT).is_none());
        let second = budget.try_take_paced(8 * UNIT).unwrap();
        assert!(budget.try_take_paced(UNIT).is_none());
        let mut third = Box::pin(budget.take_paced(100 * UNIT));
        assert!(third.as_mut().now_or_never().is_none());
        let others = budget.take(100 * UNIT).now_or_never().unwrap().unwrap();
        assert_eq!(budget.taken(), 20 * UNIT);
        let received = budget.take_to_receive(100 * UNIT).now_or_never().unwrap().unwrap();
        assert!(budget.take_to_receive(UNIT).now_or_never().is_none());
        assert_eq!(budget.taken(), 24 * UNIT);
        let listed = budget.take_listed(2 * UNIT).now_or_never().unwrap().unwrap();
        assert!(budget.take_listed(UNIT).now_or_never().unwrap().is_err());
        let sent = budget.take_to_send(4 * UNIT).now_or_never().unwrap().unwrap();
        assert!(budget.take_to_send(UNIT).now_or_never().is_none());
        let spooled = budget.try_take_spooled(2 * UNIT).unwrap();
        assert!(budget.try_take_spooled(UNIT).is_none() && budget.join_line().is_err());
        assert_eq!(budget.taken(), 32 * UNIT);
        drop((first, second));
        let third = third.now_or_never().unwrap().unwrap();
        drop((third, others, listed, spooled, sent, received));
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn who_gives_up_leaves_the_line() {
        let budget = Budget::new(8 * UNIT, 1);
        let _all = budget.take(2 * UNIT).now_or_never().unwrap().unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(budget.take(UNIT));
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        assert_eq!(budget.waiting(), 0);
    }
}
