//! The scalar kernel for every target, in safe code.

use crate::gear::GEAR;

/// Four bytes at a time: the sums of the table's values do not depend on the carried hash, so the
/// chain from one step to the next is one shift and one addition for four bytes.
#[inline(always)] // pieces of a byte would pay a call each
pub(super) fn scan(hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
    let (quads, tail) = input.as_chunks::<4>();
    let mut h = *hash;
    for (step, quad) in quads.iter().enumerate() {
        // By reference: four loads cost less than one load that is taken apart.
        let [g0, g1, g2, g3] = quad.each_ref().map(|&byte| GEAR[usize::from(byte)]);
        let p1 = g0;
        let p2 = (p1 << 1).wrapping_add(g1);
        let p3 = (p2 << 1).wrapping_add(g2);
        let p4 = (p3 << 1).wrapping_add(g3);
        let h1 = (h << 1).wrapping_add(p1);
        let h2 = (h << 2).wrapping_add(p2);
        let h3 = (h << 3).wrapping_add(p3);
        h = (h << 4).wrapping_add(p4);
        for (index, candidate) in [h1, h2, h3, h].into_iter().enumerate() {
            if candidate & mask == 0 {
                *hash = candidate;
                return Some(4 * step + index);
            }
        }
    }
    for (index, &byte) in tail.iter().enumerate() {
        h = (h << 1).wrapping_add(GEAR[usize::from(byte)]);
        if h & mask == 0 {
            *hash = h;
            return Some(4 * quads.len() + index);
        }
    }
    *hash = h;
    None
}
