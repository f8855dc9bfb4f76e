//! Targets whose only kernel is the portable one: no value of this type exists.

use crate::gear::Seeded;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {}

impl Kernel {
    pub(super) const fn detect() -> Option<Self> {
        None
    }

    pub(super) fn available() -> impl Iterator<Item = Self> {
        core::iter::empty()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {}
    }

    pub(super) fn scan(self, _hash: &mut u64, _input: &[u8], _mask: u64) -> Option<usize> {
        match self {}
    }

    pub(super) fn scan_seeded(
        self,
        _gear: &Seeded,
        _hash: &mut u64,
        _input: &[u8],
        _mask: u64,
    ) -> Option<usize> {
        match self {}
    }
}
