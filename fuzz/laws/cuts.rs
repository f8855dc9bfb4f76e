//! Cut points are those of the `fastcdc` crate, for all sizes, and however the bytes are split.

use chunker::chunking::{
    ChunkDescriptor, ChunkingOptions, HashAlgorithm, PayloadChunker, PushChunker, chunk_descriptors,
};
use chunker::{CutFinder, cut_points};
use fastcdc::v2020::FastCDC;

/// Three sizes, 4 bytes each, the length of a piece, 2 bytes, and how often the rest is repeated.
const HEAD: usize = 15;
/// Bytes of data at most, so that no case is slow.
const LIMIT: usize = 16 << 10;

pub(crate) fn check(input: &[u8]) {
    let Some((head, data)) = input.split_first_chunk::<HEAD>() else { return };
    let [a, b, c, d, e, f, g, h, i, j, k, l, piece @ .., times] = *head;
    let options = options([[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes));
    let piece = usize::from(u16::from_le_bytes(piece)) + 1;
    let data: Vec<u8> =
        data.iter().copied().cycle().take((data.len() * (usize::from(times) + 1)).min(LIMIT)).collect();

    let (min, avg, max) = (options.min_size(), options.avg_size(), options.max_size());
    let expected: Vec<_> =
        FastCDC::new(&data, min, avg, max).map(|chunk| chunk.offset + chunk.length).collect();
    assert_eq!(cut_points(&data, options).collect::<Vec<_>>(), expected, "{options}");

    let mut finder = CutFinder::new(options);
    let mut found = Vec::new();
    for mut piece in data.chunks(piece) {
        found.extend(std::iter::from_fn(|| finder.next_cut(&mut piece)));
    }
    found.extend(finder.finish());
    assert!(found.iter().copied().eq(expected.iter().map(|&cut| cut as u64)), "{options} in {piece}");

    let hash = HashAlgorithm::Blake3;
    let chunks = chunk_descriptors(&data, options, hash);
    assert!(chunks.iter().map(|chunk| chunk.length).eq(lengths(&expected)), "{options}: descriptors");
    assert!(
        chunks.iter().all(|chunk| chunk.slice(&data).is_ok_and(|bytes| hash.compute(bytes) == chunk.hash))
    );
    assert_eq!(pushed(&data, options, hash, piece), chunks, "{options}: pushed in {piece}");

    let mut chunker = PayloadChunker::new(options, hash);
    let mut owned: Vec<_> = data.chunks(piece).flat_map(|piece| chunker.feed(piece)).collect();
    owned.extend(chunker.finish());
    assert!(owned.iter().map(|chunk| chunk.descriptor()).eq(chunks), "{options}: payloads in {piece}");
    assert_eq!(owned.iter().flat_map(|chunk| chunk.payload.to_vec()).collect::<Vec<_>>(), data);
}

/// Returns an input of which the law reads these options.
pub(crate) fn seed(options: ChunkingOptions, piece: u16, data: &[u8]) -> Vec<u8> {
    let (min, avg, max) = (options.min_size(), options.avg_size(), options.max_size());
    let halves = [min - ChunkingOptions::MIN_SIZE_LIMIT, avg - min, max - avg]
        .map(|size| u32::try_from(size / 2).expect("sizes are at most 1 GiB").to_le_bytes());
    [halves.as_flattened(), &(piece - 1).to_le_bytes(), &[0], data].concat()
}

/// Every valid set of sizes is that of some numbers.
fn options([min, avg, max]: [u32; 3]) -> ChunkingOptions {
    let add = |base: usize, more: u32, limit: usize| base + 2 * (more as usize % ((limit - base) / 2 + 1));
    let min = add(ChunkingOptions::MIN_SIZE_LIMIT, min, ChunkingOptions::AVG_SIZE_LIMIT);
    let avg = add(min, avg, ChunkingOptions::AVG_SIZE_LIMIT);
    let max = add(avg, max, ChunkingOptions::MAX_SIZE_LIMIT);
    ChunkingOptions::resolve(Some(min), Some(avg), Some(max)).expect("even, in range and in order")
}

fn pushed(data: &[u8], options: ChunkingOptions, hash: HashAlgorithm, piece: usize) -> Vec<ChunkDescriptor> {
    let mut chunker = PushChunker::new(options, hash);
    let mut chunks: Vec<_> = data.chunks(piece).flat_map(|piece| chunker.feed(piece)).collect();
    chunks.extend(chunker.finish());
    chunks
}

fn lengths(cuts: &[usize]) -> impl Iterator<Item = usize> {
    std::iter::once(&0).chain(cuts).zip(cuts).map(|(start, end)| end - start)
}
