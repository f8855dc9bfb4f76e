//! The scalar kernel for every target, in safe code.

use crate::gear::GEAR;

/// Four bytes at a time: the sums of the table's values do not depend on the carried hash, so the
/// chain from one step to the next is one shift and one addition for four bytes. Two steps a pass:
/// the counting of passes costs less.
#[inline(always)] // pieces of a byte would pay a call each
pub(super) fn scan(hash: &mut u64, input: &[u8], mask: u64) -> Option<usize> {
    let (blocks, tail) = input.as_chunks::<8>();
    let mut h = *hash;
    for (pass, block) in blocks.iter().enumerate() {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = block.each_ref();
        let [h1, h2, h3, h4] = hashes_after(h, [b0, b1, b2, b3]);
        let [h5, h6, h7, h8] = hashes_after(h4, [b4, b5, b6, b7]);
        for (index, candidate) in [h1, h2, h3, h4, h5, h6, h7, h8].into_iter().enumerate() {
            if candidate & mask == 0 {
                *hash = candidate;
                return Some(8 * pass + index);
            }
        }
        h = h8;
    }
    for (index, &byte) in tail.iter().enumerate() {
        h = (h << 1).wrapping_add(GEAR[usize::from(byte)]);
        if h & mask == 0 {
            *hash = h;
            return Some(8 * blocks.len() + index);
        }
    }
    *hash = h;
    None
}

/// Returns the hash after each of four bytes.
///
/// By reference: four loads cost less than one load that is taken apart.
#[inline(always)]
fn hashes_after(h: u64, bytes: [&u8; 4]) -> [u64; 4] {
    let [g0, g1, g2, g3] = bytes.map(|&byte| GEAR[usize::from(byte)]);
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
