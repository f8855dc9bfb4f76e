//! The rules that keep concurrent committers and collectors from losing chunks.
//!
//! The code names each rule where it follows it. `docs/store-format.md` states them. The simulation shows that
//! each is needed: without it, the store loses a chunk, or a reader does not find one.

use std::time::Duration;

/// One of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// 1. A pack gets its name just before it is written, and no process relies on it before it is durable.
    DurablePacks = 1,
    /// 2. A commit writes its pending manifest before it looks for dooms and packs.
    PendingFirst,
    /// 3. Lists of dooms are complete.
    WholeDooms,
    /// 4. A collector looks for live chunks after its doom is written.
    DoomFirst,
    /// 5. A doom stays for a time after its packs are deleted.
    KeptDooms,
    /// 6. A commit checks that its pending manifest still existed when it was published.
    LastingPending,
    /// 7. Where lists are late, a collector waits.
    Grace,
    /// 8. A list from an offset starts some time back, and a refusal is based on a complete list.
    Slack,
    /// 9. Young packs are left alone, and a reader looks again.
    Liveness,
    /// 10. A process that forgets a doom forgets its packs, too.
    ForgottenDooms,
}

/// The rules to follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules(u16);

impl Rules {
    /// All rules, which every store follows.
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) const fn hold(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u16 != 0
    }

    /// Returns all rules except one, to show that it is needed.
    #[cfg(test)]
    pub(crate) const fn without(rule: Rule) -> Self {
        Self(!(1 << rule as u16))
    }
}

/// How long a doom stays after its packs are deleted. A process whose last list of dooms is older than half
/// of it lists all packs again.
pub(crate) const DOOM_RETENTION: Duration = Duration::from_hours(24);

/// Age at which the writer of a pending manifest is considered dead.
pub(crate) const PENDING_EXPIRY: Duration = Duration::from_hours(24);

/// How long before the newest known pack a list starts: the longest put plus the clock skew.
pub(crate) const LISTING_SLACK: Duration = Duration::from_mins(15);
