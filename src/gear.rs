//! The constants of the gear hash: its table and its masks.
//!
//! Every cut point depends on these numbers, so they never change.

/// The gear table: for each byte value, the first eight bytes (big-endian) of the MD5 digest of
/// that one byte.
///
/// Gear hashing is due to Xia et al., "Ddelta: A deduplication-inspired fast delta compression
/// approach", Performance Evaluation 79 (2014); this table is the one of FastCDC's published code.
#[rustfmt::skip]
pub const GEAR: [u64; 256] = [
    0x93b885adfe0da089, 0x55a54008ad1ba589, 0x9e688c58a5487b8e, 0x8666683506aacd90,
    0xec7f7e7bb43742ce, 0x8bb6c17838643f96, 0x06eca1b437c7904c, 0x89e74e640b8c4625,
    0xe2ba905bf306f46f, 0x5e732a1878be2342, 0x68b329da9893e340, 0x13c8ffd977013703,
    0x58c89562f58fd276, 0xdcb9be2f604e5df9, 0x4dedb2240a1e0f03, 0xd838691e5d4ad068,
    0x6b31bdfa7f9bfece, 0x47ed733b8d10be22, 0xa8445619abd08f3b, 0xffe51d3e7d829723,
    0x15f41a2e96bae341, 0xf5a7e477cd3042b4, 0xbf6d6c819ec975b0, 0x84ff14fa45be3ca4,
    0xcba81acd53fd7719, 0xe5ea7fb51ff27a20, 0xbebe43a13d6320b4, 0xf616c83f2f0f1882,
    0x0398b4090f24adbc, 0xeb259edbaa608eb2, 0x7bc72a0767d237be, 0xad1e41cebd43e64a,
    0x7215ee9c7d9dc229, 0x9033e0e305f247c0, 0xb15835f133ff2e27, 0x01abfc750a0c9421,
    0xc3e97dd6e97fb512, 0x0bcef9c45bd8a48e, 0x6cff047854f19ac2, 0x3590cb8af0bbb9e7,
    0x84c40473414caf2e, 0x9371d7a2e3ae86a0, 0x3389dae361af79b0, 0x26b17225b626fb92,
    0xc0cb5f0fcf239ab3, 0x336d5ebc5436534e, 0x5058f1af8388633f, 0x6666cd76f9695646,
    0xcfcd208495d565ef, 0xc4ca4238a0b92382, 0xc81e728d9d4c2f63, 0xeccbc87e4b5ce2fe,
    0xa87ff679a2f3e71d, 0xe4da3b7fbbce2345, 0x1679091c5a880faf, 0x8f14e45fceea167a,
    0xc9f0f895fb98ab91, 0x45c48cce2e2d7fbd, 0x853ae90f0351324b, 0x9eecb7db59d16c80,
    0x524a507821789980, 0x43ec3e5dee6e706a, 0xcedf8da05466bb54, 0xd1457b72c3fb323a,
    0x518ed29525738ceb, 0x7fc56270e7a70fa8, 0x9d5ed678fe57bcca, 0x0d61f8370cad1d41,
    0xf623e75af30e62bb, 0x3a3ea00cfc35332c, 0x800618943025315f, 0xdfcf28d0734569a6,
    0xc1d9f50f86825a1a, 0xdd7536794b63bf90, 0xff44570aca824191, 0xa5f3c6a11b03839d,
    0xd20caec3b48a1eef, 0x69691c7bdcc3ce6d, 0x8d9c307cb7f3c4a3, 0xf186217753c37b9b,
    0x44c29edb103a2872, 0xf09564c9ca56850d, 0xe1e1d3d40573127e, 0x5dbc98dcc983a707,
    0xb9ece18c950afbfa, 0x4c614360da93c0a0, 0x5206560a306a2e08, 0x61e9c06ea9a85a50,
    0x02129bb861061d1a, 0x57cec4137b614c87, 0x21c2e59531c87101, 0x815417267f76f6f4,
    0x28d397e87306b863, 0x0fbd1776e1ad22c5, 0x7e6a2afe551e067a, 0xb14a7b8059d9c055,
    0x833344d5e1432da8, 0x0cc175b9c0f1b6a8, 0x92eb5ffee6ae2fec, 0x4a8a08f09d37b737,
    0x8277e0910d750195, 0xe1671797c52e15f7, 0x8fa14cdd754f91cc, 0xb2f5ff47436671b6,
    0x2510c39011c5be70, 0x865c0c0b4ab0e063, 0x363b122c528f54df, 0x8ce4b16b22b58894,
    0x2db95e8e1a9267b7, 0x6f8f57715090da26, 0x7b8b965ad4bca0e4, 0xd95679752134a2d9,
    0x83878c9117133890, 0x7694f4a66316e53c, 0x4b43b0aee35624cd, 0x03c7c0ace395d801,
    0xe358efa489f58062, 0x7b774effe4a349c6, 0x9e3669d19b675bd5, 0xf1290186a5d0b1ce,
    0x9dd4e461268c8034, 0x415290769594460e, 0xfbade9e36a3f36d3, 0xf95b70fdc3088560,
    0xb99834bc19bbad24, 0xcbb184dd8e05c970, 0x4c761f170e016836, 0x83acb6e67e50e31d,
    0x8d39dd7eef115ea6, 0xcd25041f9f36811b, 0x592eec8d32eb490e, 0x05d85804dd3e689e,
    0xec631d7335abecd3, 0xa03920e5994202f7, 0xdcaba5d0e9eae278, 0x8fec378760f1e7e7,
    0x76446346147d6a63, 0x2854272fec044d0b, 0x1d948537445132eb, 0x348dd9e974848a61,
    0x97775ba09eac63b5, 0xcf87de09914066fd, 0xf1663aba9ffae533, 0x32b401960154e86d,
    0xbc9abf1be59ffce1, 0x40412202892318d5, 0x685d590a89f352d1, 0x5c5aa2ba6e48a0e5,
    0x9da8aa9f77119c92, 0x758aa1741f4b2fd2, 0x3cc73746e4109c72, 0xc444b580079efb1f,
    0x4716b07ce684754b, 0x6d4a60f6f35fb2ce, 0x6d3a9bae17226850, 0xb63f46881e5fcea4,
    0x73d59a7d52d329ea, 0x0a476d83ef9cef4b, 0xcef5c0b7ced3eec9, 0xdc5eccdcf293db4c,
    0x9af7c117d9de9a06, 0x7387f8d447a00cfd, 0x4fdfd72b8d4229ff, 0xd527ca074d412d9d,
    0xf37c6f3896b2c85f, 0xab3af8566ddd20d7, 0x6067a176e5ed08f3, 0x6b2b98fea11e51af,
    0x85a46a5de17b19ac, 0xa252c2c85a9e7756, 0x9fe0f7244a7da1d3, 0x2408ad11f9eb830d,
    0x20a7f30fb9f8e145, 0x3beb9cf0eab8cbf2, 0x02cb3522b35e5809, 0x00d9712ec5eb7080,
    0xec655b6da8b9264a, 0xc668534d220baf21, 0x9941ae7962f3830b, 0xec87210973d57b58,
    0x13733a6e73c7d023, 0x50f0351e9c31bb1c, 0xda630c00d04be7f2, 0xdae665a670927961,
    0x6ad305f09ba92dfc, 0xf361e25776077789, 0x6bc1af258475ec12, 0xd68442a8d2cade05,
    0x4dcde376fbc212f7, 0xabae57cb562ecf29, 0xb2bb8775b7d5bf59, 0xd6e4a86e03b9b1f0,
    0x4843a4868714fa75, 0x194ab396eb68ebd6, 0x6465dad1d31752be, 0xd78276f56f8ec8d4,
    0xffd0ce5d00f597aa, 0xec1f53aa1e538b2c, 0xf664908b48b07e34, 0x56dc13fd4d31f9b1,
    0x99e3a85d7220f86c, 0x52b016db15c28529, 0xceb1e7db7df6a700, 0xadf8db9586d0065d,
    0xa2e970f170961ce8, 0xe6cf2aa82fa371b6, 0xbda95b04f2968764, 0x5512d87499f54888,
    0x8f2c5a5565c714eb, 0xad1e5495494f1768, 0x6baf106d71ed92d6, 0x7a3f40989a178e08,
    0x994a2d2077eb07ac, 0xd1a3d501c8b9ec19, 0x735e75a2cb5ef610, 0x7c0b8029c8bcebe3,
    0x0c78aef83f66abc1, 0xae6ed41f37d5a0cd, 0x67c315f6145ba74c, 0x98fd00d788afe2a5,
    0xb96a24be7c40dc85, 0x315367fd7b05a9b7, 0xafb990cbf2d0e0a9, 0xa26785922b3516fe,
    0xec2d11028766e06a, 0x2eece4376cee1433, 0xd81fd9b26fd0e89a, 0x69b7a7308ee1b065,
    0xc15bcc5577f9fade, 0x73203361cc9bed58, 0x31551a3ae59f0596, 0x9d5a273e0fb6aebc,
    0x785d512be4316d57, 0x3406877694691ddd, 0x86277f690350a08d, 0xab95f1fa7da6a902,
    0x167b86f21df376c9, 0x26fc1f29bd4599f5, 0xfc12627464244022, 0x2575079e53e0605b,
    0x8c493a43d8c1ef79, 0xedb907361219fb8d, 0x7a9405d459c2a928, 0x6334c2ae05c2421c,
    0x97a6dd4c45b23db9, 0xade7a0dcf4ddc067, 0x44f2c50b838f9297, 0x1932a6849c6f575c,
    0x31741635b41d5350, 0x89defc50a70ea561, 0x8901cfeadaa3da45, 0xea8fd1aafd5a3309,
    0xcf0eece3a23b680f, 0xda564f38413a243e, 0x403ae091d3be6acf, 0x00594fd4f42ba43f,
];

/// Masks by the number of bits that `hash & mask == 0` tests, in positions spread over the 48 bytes
/// that the hash remembers. Index `n` is the mask for an expected distance of `2^n` bytes.
///
/// Indices 5 to 17 come from the reference implementation of FastCDC in destor (Xia et al.,
/// USENIX ATC '16, §3.3), 18 to 25 from restic-FastCDC. Indices below 5 are never used.
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
    /// Returns the masks of Normalization Level 1 for an average size in bytes.
    ///
    /// `avg_size` must be in `32..=16 MiB`; [`ChunkingOptions`](crate::ChunkingOptions) guarantees it.
    pub(crate) const fn normalization_1(avg_size: usize) -> Self {
        let bits = log2_nearest(avg_size);
        Self { strict: MASKS[bits + 1], loose: MASKS[bits - 1] }
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
    fn gear_table_is_the_md5_of_each_byte() {
        for byte in 0..=255u8 {
            let digest = Md5::digest([byte]);
            let high: [u8; 8] = digest[..8].try_into().expect("an MD5 digest has 16 bytes");
            assert_eq!(GEAR[usize::from(byte)], u64::from_be_bytes(high), "byte {byte:#04x}");
        }
    }

    #[test]
    fn masks_are_those_of_the_fastcdc_crate() {
        use fastcdc::v2020::{Normalization, select_masks};
        let edges = (6..=24u32).flat_map(|bits| {
            let power = 1usize << bits;
            // The nearest integers to the boundary power·√2 between two masks, and the power itself.
            let boundary = (2 * power * power).isqrt();
            [power, power + 1, boundary - 1, boundary, boundary + 1, boundary + 2]
        });
        for avg_size in edges.chain((64..=16 << 20).step_by(4097)).filter(|&size| size <= 16 << 20) {
            let (strict, loose) = select_masks(avg_size, Normalization::Level1);
            assert_eq!(Masks::normalization_1(avg_size), Masks { strict, loose }, "average {avg_size}");
        }
    }
}
