//! Cut points are those of the `fastcdc` crate, for all sizes, levels and seeds, and however the bytes are
//! split.

use chunker::chunking::{
    ChunkDescriptor, ChunkingOptions, HashAlgorithm, PayloadChunker, PushChunker, chunk_descriptors,
};
use chunker::{CutFinder, Profile, cut_points};
use fastcdc::v2020::{FastCDC, Normalization};

/// Three sizes, 4 bytes each, the level, the seed, 8 bytes, the length of a piece, 2 bytes, and how often
/// the rest is repeated.
const HEAD: usize = 24;
/// Bytes of data at most, so that no case is slow.
const LIMIT: usize = 16 << 10;

const LEVELS: [Normalization; 4] =
    [Normalization::Level0, Normalization::Level1, Normalization::Level2, Normalization::Level3];

pub(crate) fn check(input: &[u8]) {
    let Some((head, data)) = input.split_first_chunk::<HEAD>() else { return };
    let [a, b, c, d, e, f, g, h, i, j, k, l, level, seed @ .., p0, p1, times] = *head;
    let profile = profile([[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes));
    let profile = profile.level(level % 4).unwrap_or(profile).seed(u64::from_le_bytes(seed));
    let piece = usize::from(u16::from_le_bytes([p0, p1])) + 1;
    let data: Vec<u8> =
        data.iter().copied().cycle().take((data.len() * (usize::from(times) + 1)).min(LIMIT)).collect();

    let level = LEVELS[usize::from(profile.normalization_level())];
    let [min, avg, max] = sizes(profile);
    let peer = FastCDC::with_level_and_seed(&data, min, avg, max, level, profile.gear_seed());
    let expected: Vec<_> = peer.map(|chunk| chunk.offset + chunk.length).collect();
    assert_eq!(cut_points(&data, profile).collect::<Vec<_>>(), expected, "{profile}");

    let mut finder = CutFinder::new(profile);
    let mut found = Vec::new();
    for mut piece in data.chunks(piece) {
        found.extend(std::iter::from_fn(|| finder.next_cut(&mut piece)));
    }
    found.extend(finder.finish());
    assert!(found.iter().copied().eq(expected.iter().map(|&cut| cut as u64)), "{profile} in {piece}");

    let hash = HashAlgorithm::Blake3;
    let profile = profile.hash(hash);
    let chunks = chunk_descriptors(&data, profile);
    assert!(chunks.iter().map(|chunk| chunk.length).eq(lengths(&expected)), "{profile}: descriptors");
    assert!(
        chunks.iter().all(|chunk| chunk.slice(&data).is_ok_and(|bytes| hash.digest(bytes) == chunk.hash))
    );
    assert_eq!(pushed(&data, profile, piece), chunks, "{profile}: pushed in {piece}");

    let mut chunker = PayloadChunker::new(profile);
    let mut owned: Vec<_> = data.chunks(piece).flat_map(|piece| chunker.feed(piece)).collect();
    owned.extend(chunker.finish());
    assert!(owned.iter().map(|chunk| chunk.descriptor()).eq(chunks), "{profile}: payloads in {piece}");
    assert_eq!(owned.iter().flat_map(|chunk| chunk.payload.to_vec()).collect::<Vec<_>>(), data);
}

/// Returns an input from which the law reads this profile.
pub(crate) fn seed(profile: Profile, piece: u16, data: &[u8]) -> Vec<u8> {
    let [min, avg, max] = sizes(profile);
    let halves = [min - ChunkingOptions::MIN_SIZE_LIMIT, avg - min, max - avg]
        .map(|size| u32::try_from(size / 2).expect("sizes are at most 1 GiB").to_le_bytes());
    let (level, seed) = (profile.normalization_level(), profile.gear_seed().to_le_bytes());
    [halves.as_flattened(), &[level], &seed, &(piece - 1).to_le_bytes(), &[0], data].concat()
}

fn sizes(profile: Profile) -> [usize; 3] {
    let options = profile.options();
    [options.min_size(), options.avg_size(), options.max_size()]
}

/// Every valid set of sizes is that of some numbers.
fn profile([min, avg, max]: [u32; 3]) -> Profile {
    let add = |base: usize, more: u32, limit: usize| base + 2 * (more as usize % ((limit - base) / 2 + 1));
    let min = add(ChunkingOptions::MIN_SIZE_LIMIT, min, ChunkingOptions::AVG_SIZE_LIMIT);
    let avg = add(min, avg, ChunkingOptions::AVG_SIZE_LIMIT);
    let max = add(avg, max, ChunkingOptions::MAX_SIZE_LIMIT);
    Profile::new(min, avg, max).expect("even, in range and in order")
}

fn pushed(data: &[u8], profile: Profile, piece: usize) -> Vec<ChunkDescriptor> {
    let mut chunker = PushChunker::new(profile);
    let mut chunks: Vec<_> = data.chunks(piece).flat_map(|piece| chunker.feed(piece)).collect();
    chunks.extend(chunker.finish());
    chunks
}

fn lengths(cuts: &[usize]) -> impl Iterator<Item = usize> {
    std::iter::once(&0).chain(cuts).zip(cuts).map(|(start, end)| end - start)
}
