//! The constants of the gear hash: its table and its masks.
//!
//! Every cut point depends on these numbers, so they never change.

#[cfg_attr(feature = "alloc", path = "seeded/table.rs")]
#[cfg_attr(not(feature = "alloc"), path = "seeded/by_entry.rs")]
mod seeded;
mod table;

pub(crate) use seeded::Seeded;
pub use table::GEAR;
pub(crate) use table::{Gear, Plain};

/// Masks by the number of bits that `hash & mask == 0` tests, in positions spread over the 48 bytes
/// that the hash remembers. Index `n` is the mask for an expected distance of `2^n` bytes.
///
/// Indices 5 to 17 come from the reference implementation of FastCDC in destor (Xia et al.,
/// USENIX ATC '16, §3.3), 18 to 25 from restic-FastCDC. Below 5 the mask is empty: it cuts at once.
const MASKS: [u64; 26] = [
    0,
    0,
    0,
    0,
    0,
    0x0000_0000_0180_4110,
    0x0000_0000_0180_3110,
    0x0000_0000_1803_5100,
    0x0000_0018_0003_5300,
    0x0000_0190_0035_3000,
    0x0000_5900_0353_0000,
    0x0000_d900_0353_0000,
    0x0000_d901_0353_0000,
    0x0000_d903_0353_0000,
    0x0000_d903_1353_0000,
    0x0000_d90f_0353_0000,
    0x0000_d903_0353_7000,
    0x0000_d907_0353_7000,
    0x0000_d907_0753_7000,
    0x0000_d917_0753_7000,
    0x0000_d917_4753_7000,
    0x0000_d917_6753_7000,
    0x0000_d937_6753_7000,
    0x0000_d937_7753_7000,
    0x0000_d937_7757_7000,
    0x0000_db37_7757_7000,
];

/// The two masks of normalized chunking (Xia et al., USENIX ATC '16, §3.4): the strict one has more
/// bits and holds before the average size, the loose one has fewer and holds after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masks {
    /// Tested from `min_size` to `avg_size`.
    pub strict: u64,
    /// Tested from `avg_size` to `max_size`.
    pub loose: u64,
}

impl Masks {
    /// Returns the masks of a normalization level for an average size in bytes; `None` where the
    /// published table has no strict mask for them.
    ///
    /// `avg_size` must be at least 32 and `level` at most 5.
    pub(crate) const fn normalized(avg_size: usize, level: u8) -> Option<Self> {
        let bits = log2_nearest(avg_size);
        let level = level as usize;
        if bits + level >= MASKS.len() {
            return None;
        }
        Some(Self { strict: MASKS[bits + level], loose: MASKS[bits - level] })
    }
}

/// Returns `log2(size)` rounded to the nearest integer, exactly: no floating point, whose rounding
/// could differ between platforms and move cut points.
const fn log2_nearest(size: usize) -> usize {
    let floor = size.ilog2();
    // log2(size) >= floor + 1/2  <=>  size² >= 2^(2·floor + 1); no integer meets it with equality.
    let above_half = (size as u64) * (size as u64) >= 1 << (2 * floor + 1);
    floor as usize + above_half as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};

    #[test]
    fn gear_table_is_the_md5_of_each_byte_64_times() {
        for byte in 0..=255u8 {
            let digest = Md5::digest([byte; 64]);
            let high: [u8; 8] = digest[..8].try_into().expect("an MD5 digest has 16 bytes");
            assert_eq!(GEAR[usize::from(byte)], u64::from_be_bytes(high), "byte {byte:#04x}");
        }
    }

    #[test]
    fn gear_table_is_that_of_the_fastcdc_crate() {
        assert_eq!(GEAR[..], fastcdc::v2020::get_gear_with_seed(0).0[..]);
    }

    #[test]
    fn seeded_entries_are_those_of_the_fastcdc_crate() {
        for seed in [0, 1, 666, 0x0123_4567_89ab_cdef, u64::MAX] {
            let (table, doubled) = fastcdc::v2020::get_gear_with_seed(seed);
            for byte in 0..=255u8 {
                let entry = (&Seeded::new(seed)).entry(byte);
                assert_eq!(entry, table[usize::from(byte)], "seed {seed}, byte {byte:#04x}");
                assert_eq!(entry << 1, doubled[usize::from(byte)], "seed {seed}, byte {byte:#04x}");
            }
        }
    }

    #[test]
    fn masks_are_those_of_the_fastcdc_crate_at_every_level() {
        use fastcdc::v2020::{MASKS as TABLE, Normalization, select_masks};
        assert_eq!(MASKS, TABLE);
        let levels =
            [Normalization::Level0, Normalization::Level1, Normalization::Level2, Normalization::Level3];
        let edges = (6..=24u32).flat_map(|bits| {
            let power = 1usize << bits;
            // The nearest integers to the boundary power·√2 between two masks, and the power itself.
            let boundary = (2 * power * power).isqrt();
            [power, power + 1, boundary - 1, boundary, boundary + 1, boundary + 2]
        });
        for avg_size in edges.chain((64..=16 << 20).step_by(4097)).filter(|&size| size <= 16 << 20) {
            for (number, level) in (0..).zip(levels) {
                let Some(masks) = Masks::normalized(avg_size, number) else {
                    assert!(log2_nearest(avg_size) + usize::from(number) >= TABLE.len());
                    continue; // the crate has no mask either: it panics
                };
                let (strict, loose) = select_masks(avg_size, level);
                assert_eq!(masks, Masks { strict, loose }, "average {avg_size}, level {number}");
            }
        }
    }
}
