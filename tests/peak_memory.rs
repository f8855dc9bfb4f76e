//! The bounds of memory that are documented. In a process of its own: the allocator counts.

mod heap;
mod noise;

use chunker::chunking::{
    ChunkPipeline, ChunkStream, ChunkingOptions, HashAlgorithm, chunk_descriptors_parallel,
    cut_points_parallel,
};
use heap::peak;

const LENGTH: usize = 32 << 20;
const READ: usize = 1 << 20;
/// What threads, queues and lists of chunks may take.
const SMALL: usize = 256 << 10;

/// One test, since others at the same time would be counted too.
#[test]
fn memory_stays_within_what_is_documented() {
    let threads = 4;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let noise = noise::noise(LENGTH);
    let zeros = vec![0; LENGTH];
    let period: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();
    for (min, avg, max) in [(256 << 10, 1 << 20, 4 << 20), (4 << 10, 16 << 10, 64 << 10)] {
        let options = ChunkingOptions::resolve(Some(min), Some(avg), Some(max)).expect("valid sizes");
        let hash = HashAlgorithm::Blake3;
        for data in [&noise, &zeros, &period] {
            let (mut chunks, mut cuts) = (0, 0);
            pool.install(|| {
                let taken = peak(|| {
                    let found = chunk_descriptors_parallel(data, options, hash).expect("a threshold");
                    chunks = found.capacity() * size_of_val(&found[0]);
                    found
                });
                assert!(taken <= 3 * chunks + SMALL, "{taken} for {chunks} bytes of descriptors");
                let taken = peak(|| {
                    let found = cut_points_parallel(data, options).expect("a threshold");
                    cuts = found.capacity() * size_of_val(&found[0]);
                    found
                });
                assert!(taken <= 6 * cuts + SMALL, "{taken} for {cuts} bytes of cut points");
            });
            let buffer = max + READ;
            let taken = peak(|| {
                let reader = data.as_slice();
                ChunkStream::with_options(reader, options, hash).expect("valid options").count()
            });
            assert!(taken <= 2 * buffer + SMALL, "{taken} in a stream of {max}");
            let reader = std::io::Cursor::new(data.clone());
            let taken = pool.install(|| {
                peak(|| ChunkPipeline::new(reader, options, hash).expect("valid options").count())
            });
            assert!(taken <= (2 * threads + 3) * buffer + SMALL, "{taken} in a pipeline of {max}");
        }
    }
}
