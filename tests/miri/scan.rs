//! The scan kernels in Miri, which knows the instructions of all of them: `make miri`.

use chunker::scan::Scanner;

/// Noise, then a run of one byte that meets the filters of AVX-512 without meeting a mask.
fn data() -> Vec<u8> {
    let noise = (0u32..700).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    noise.chain(std::iter::repeat_n(0x3f, 600)).collect()
}

#[test]
fn kernels_agree_without_undefined_behaviour() {
    let names: Vec<_> = Scanner::available().map(Scanner::name).collect();
    assert_eq!(names, ["portable", "scalar", "avx2", "avx512"]);
    let data = data();
    for mask in [0x5900_0353_0000, 0xd903_0353_0000, 0xd917_4753_7000] {
        for range in [0..257, 3..data.len()] {
            let scan = |scanner: Scanner| {
                let [mut hash, mut seeded] = [0x0123_4567_89ab_cdef; 2];
                let found = scanner.scan(&mut hash, &data[range.clone()], mask);
                let found_seeded = scanner.scan_seeded(666, &mut seeded, &data[range.clone()], mask);
                (found, hash, found_seeded, seeded)
            };
            let expected = scan(Scanner::PORTABLE);
            for scanner in Scanner::available().skip(1) {
                assert_eq!(scan(scanner), expected, "{} {mask:#x}", scanner.name());
            }
        }
    }
}
