//! The kernel for every target, in safe code.

use crate::gear::Gear;

/// Four bytes at a time: the sums of the table's values do not depend on the carried hash, so the
/// chain from one step to the next is one shift and one addition for four bytes. Four steps a pass:
/// what a pass costs is paid seldom, which counts most in WebAssembly.
#[inline(always)] // pieces of a byte would pay a call each
pub(super) fn scan(gear: impl Gear, hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
    let (blocks, tail) = input.as_chunks::<16>();
    let mut h = *hash;
    let mut passes = blocks.iter();
    while let Some(block) = passes.next() {
        for (step, bytes) in block.as_chunks::<4>().0.iter().enumerate() {
            let hashes = hashes_after(gear, h, bytes.each_ref());
            for (index, &candidate) in hashes.iter().enumerate() {
                if candidate & mask == 0 {
                    *hash = candidate;
                    return Some(16 * (blocks.len() - passes.len() - 1) + 4 * step + index);
                }
            }
            h = hashes[3];
        }
    }
    for (index, &byte) in tail.iter().enumerate() {
        h = (h << 1).wrapping_add(gear.entry(byte));
        if h & mask == 0 {
            *hash = h;
            return Some(16 * blocks.len() + index);
        }
    }
    *hash = h;
    None
}

/// Returns the hash after each of four bytes.
///
/// By reference: four loads cost less than one load that is taken apart.
#[inline(always)]
fn hashes_after(gear: impl Gear, h: u64, bytes: [&u8; 4]) -> [u64; 4] {
    let [g0, g1, g2, g3] = bytes.map(|&byte| gear.entry(byte));
    let p1 = g0;
    let p2 = (p1 << 1).wrapping_add(g1);
    let p3 = (p2 << 1).wrapping_add(g2);
    let p4 = (p3 << 1).wrapping_add(g3);
    [
        (h << 1).wrapping_add(p1),
        (h << 2).wrapping_add(p2),
        (h << 3).wrapping_add(p3),
        (h << 4).wrapping_add(p4),
    ]
}
