//! Threads at work on small inputs, so that Miri can try many orders of their steps: `make
//! miri-concurrent`.

use chunker::Profile;
use chunker::chunking::{
    ChunkMetadata, ChunkPipeline, DescriptorPipeline, HashAlgorithm, chunk_batch_parallel,
    chunk_data_with_hash,
};
use std::io::Cursor;

const HASH: HashAlgorithm = HashAlgorithm::Blake3;

fn profile() -> Profile {
    Profile::new(64, 128, 256).expect("valid sizes")
}

fn data() -> Vec<u8> {
    (0..700u32).map(|i| (i * i).to_be_bytes()[2]).collect()
}

fn expected() -> Vec<ChunkMetadata> {
    chunk_data_with_hash(&data(), Some(64), Some(128), Some(256), HASH).expect("valid sizes")
}

fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads")
}

#[test]
fn a_pipeline_gives_the_chunks_of_one_thread_in_every_order_of_steps() {
    let pipeline = || ChunkPipeline::new(Cursor::new(data()), profile().hash(HASH)).expect("a thread");
    let chunks = pool().install(|| pipeline().collect::<Result<Vec<_>, _>>());
    assert_eq!(chunks.expect("the reader does not fail"), expected());
}

#[test]
fn a_pipeline_of_descriptors_gives_them_in_every_order_of_steps() {
    let pipeline = || DescriptorPipeline::new(Cursor::new(data()), profile().hash(HASH)).expect("a thread");
    let chunks = pool().install(|| pipeline().map(Result::unwrap).collect::<Vec<_>>());
    assert!(chunks.into_iter().eq(expected().iter().map(ChunkMetadata::descriptor)));
}

#[test]
fn a_pipeline_can_be_dropped_at_any_step() {
    pool().install(|| {
        let mut pipeline = ChunkPipeline::new(Cursor::new(data()), profile().hash(HASH)).expect("a thread");
        let first = pipeline.next().expect("a chunk").expect("the reader does not fail");
        drop(pipeline);
        assert_eq!(first, expected()[0]); // the payload outlives it
    });
}

#[test]
fn a_batch_gives_the_chunks_of_one_thread() {
    let batch =
        pool().install(|| chunk_batch_parallel([data(), data()].map(Cursor::new), profile().hash(HASH)));
    for chunks in batch.results {
        assert_eq!(chunks.expect("the reader does not fail"), expected());
    }
}
