//! The rules that keep concurrent committers and collectors from losing chunks.
//!
//! Each is named where it is followed. `docs/store-format.md` states them; the simulation shows that the
//! store loses chunks, or its readers them, without any one of them.

use std::time::Duration;

/// One of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// 1. A pack is named just before it is written, and nobody relies on it before it is durable.
    DurablePacks = 1,
    /// 2. A commit writes its pending manifest before it looks for dooms and packs.
    PendingFirst,
    /// 3. Dooms are listed whole.
    WholeDooms,
    /// 4. A collector looks for what is live after its doom is written.
    DoomFirst,
    /// 5. A doom stays for a time after its packs are deleted.
    KeptDooms,
    /// 6. A commit checks that its pending manifest lasted until it was published.
    LastingPending,
    /// 7. Where lists are late, a collector waits.
    Grace,
    /// 8. Lists that continue begin some time back, and a refusal is based on a whole one.
    Slack,
    /// 9. Young packs are left alone, and a reader looks again.
    Liveness,
    /// 10. Whoever forgets a doom forgets its packs, too.
    ForgottenDooms,
}

/// The rules that are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules(u16);

impl Rules {
    /// What every store follows.
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) const fn hold(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u16 != 0
    }

    /// Returns all rules but one, to show that it is needed.
    #[cfg(test)]
    pub(crate) const fn without(rule: Rule) -> Self {
        Self(!(1 << rule as u16))
    }
}

/// How long a doom stays after its packs are deleted. A process whose last list of dooms is older than half
/// of it lists all packs again.
pub(crate) const DOOM_RETENTION: Duration = Duration::from_hours(24);

/// How old a pending manifest is when its writer is taken for dead.
pub(crate) const PENDING_EXPIRY: Duration = Duration::from_hours(24);

/// How far before the newest known pack a list begins: the longest put and the skew of clocks.
pub(crate) const LISTING_SLACK: Duration = Duration::from_mins(15);
