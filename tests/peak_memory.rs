//! The bounds of memory that are documented. In a process of its own: the allocator counts.

mod heap;
mod noise;

use chunker::Profile;
use chunker::chunking::{
    ChunkPipeline, ChunkStream, DescriptorPipeline, HashAlgorithm, chunk_batch, chunk_batch_descriptors,
    chunk_batch_parallel, chunk_descriptors_parallel, cut_points_parallel,
};
use heap::peak;
use std::io::{self, Read};

const LENGTH: usize = 32 << 20;
const READ: usize = 1 << 20;
/// What threads, queues and lists of chunks may take.
const SMALL: usize = 256 << 10;

/// What one stream of the largest profile may hold.
const BUFFER: usize = (4 << 20) + READ;

/// Memory follows the bytes of chunks that are kept, not their number or that of their readers.
fn many_small_inputs() {
    for length in [9, 4400] {
        let files = vec![noise::noise(length); 500];
        let bytes = 500 * length;
        let readers = || files.iter().map(Vec::as_slice);
        let streamed = peak(|| {
            let stream = |reader| ChunkStream::with_profile(reader, Profile::LARGE).expect("no environment");
            readers().flat_map(|reader| stream(reader).collect::<Vec<_>>()).collect::<Vec<_>>()
        });
        let batched = peak(|| chunk_batch(readers(), Profile::LARGE));
        let parallel = peak(|| chunk_batch_parallel(readers(), Profile::LARGE));
        let described = peak(|| chunk_batch_descriptors(readers(), Profile::LARGE));
        println!("500 inputs of {length}: {streamed} {batched} {parallel} {described}");
        for taken in [streamed, batched, described] {
            assert!(taken <= bytes + BUFFER + SMALL, "{taken} for {bytes} bytes in 500 inputs");
        }
        let buffers = rayon::current_num_threads() * BUFFER;
        assert!(parallel <= bytes + buffers + 4 * SMALL, "{parallel} for {bytes} bytes in 500 inputs");
    }
    // Chunks from one long buffer: of a payload that is kept, no more than eight times its length stays.
    let data = noise::noise(LENGTH);
    for profile in [Profile::SMALL, Profile::MEDIUM, Profile::LARGE] {
        let stream = ChunkStream::with_profile(data.as_slice(), profile).expect("no environment");
        let mut kept = 0;
        let taken = peak(|| {
            let every_tenth = stream.step_by(10).map(|chunk| chunk.expect("slices do not fail"));
            let chunks: Vec<_> = every_tenth.inspect(|chunk| kept += chunk.length).collect();
            chunks
        });
        let buffer = profile.options().max_size() + READ;
        assert!(taken <= 8 * kept + 2 * buffer + 2 * SMALL, "{taken} for {kept} bytes that are kept");
    }
}

/// Reads zeros, in reads of these lengths, the last one again and again.
struct Zeros {
    left: usize,
    reads: Vec<usize>,
}

impl Read for Zeros {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let next = if self.reads.len() > 1 { self.reads.remove(0) } else { self.reads[0] };
        let length = next.min(space.len()).min(self.left);
        space[..length].fill(0);
        self.left -= length;
        Ok(length)
    }
}

/// However long the reads are, and though the hash is slower than they are.
fn descriptors_of_any_reads() {
    let threads = 2;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let profile = Profile::new(256 << 10, 1 << 20, 4 << 20).expect("valid sizes").hash(HashAlgorithm::Sha256);
    let reads = [
        vec![READ / 2],
        [READ / 2, 1].repeat(128),
        [vec![READ; 32], vec![READ / 2 - 1]].concat(),
        [vec![READ; 32], vec![64 << 10]].concat(),
        vec![1000],
    ];
    for reads in reads {
        let last = *reads.last().expect("a read");
        let zeros = Zeros { left: 2 * LENGTH, reads };
        let taken =
            pool.install(|| peak(|| DescriptorPipeline::new(zeros, profile).expect("a thread").count()));
        assert!(taken <= (2 * threads + 3) * BUFFER + SMALL, "{taken} with reads of {last} at the end");
    }
}

/// One test, since others at the same time would be counted too.
#[test]
fn memory_stays_within_what_is_documented() {
    many_small_inputs();
    descriptors_of_any_reads();
    let threads = 4;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let noise = noise::noise(LENGTH);
    let zeros = vec![0; LENGTH];
    let period: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();
    for (min, avg, max) in [(256 << 10, 1 << 20, 4 << 20), (4 << 10, 16 << 10, 64 << 10)] {
        let profile = Profile::new(min, avg, max).expect("valid sizes");
        let hash = HashAlgorithm::Blake3;
        for data in [&noise, &zeros, &period] {
            let (mut chunks, mut cuts) = (0, 0);
            pool.install(|| {
                let taken = peak(|| {
                    let found = chunk_descriptors_parallel(data, profile.hash(hash));
                    chunks = found.capacity() * size_of_val(&found[0]);
                    found
                });
                assert!(taken <= 3 * chunks + SMALL, "{taken} for {chunks} bytes of descriptors");
                let taken = peak(|| {
                    let found = cut_points_parallel(data, profile);
                    cuts = found.capacity() * size_of_val(&found[0]);
                    found
                });
                assert!(taken <= 6 * cuts + SMALL, "{taken} for {cuts} bytes of cut points");
            });
            let buffer = max + READ;
            let taken = peak(|| {
                let reader = data.as_slice();
                ChunkStream::with_profile(reader, profile.hash(hash)).expect("valid profile").count()
            });
            assert!(taken <= 2 * buffer + SMALL, "{taken} in a stream of {max}");
            let reader = std::io::Cursor::new(data.clone());
            let taken = pool.install(|| {
                peak(|| ChunkPipeline::new(reader, profile.hash(hash)).expect("valid profile").count())
            });
            assert!(taken <= (2 * threads + 3) * buffer + SMALL, "{taken} in a pipeline of {max}");
            let reader = std::io::Cursor::new(data.clone());
            let taken = pool.install(|| {
                peak(|| DescriptorPipeline::new(reader, profile.hash(hash)).expect("valid profile").count())
            });
            assert!(taken <= (2 * threads + 3) * buffer + SMALL, "{taken} without payloads, of {max}");
        }
    }
}
