//! How often each operation allocates, and the peak of the heap beyond its input, for 10 MB of realistic
//! NAR. With the name of a file, that gets both as JSON. What C libraries allocate themselves is not in it.

#[path = "../tests/fixtures/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the suite of tests uses all of it")]
mod fixtures;
#[path = "../tests/heap/mod.rs"]
mod heap;

use chunker::chunking::{
    ChunkStream, HashAlgorithm, PushChunker, chunk_data, chunk_descriptors, chunk_descriptors_parallel,
};
use chunker::compression::{Codec, DecompressionLimits, compress, decompress};
use chunker::hashing::{blake3_hash, sha256_hash};
use chunker::{Profile, cut_points};
use fixtures::TestFixtures;
use std::io::Cursor;

const LENGTH: usize = 10 << 20;
const HASH: HashAlgorithm = HashAlgorithm::Blake3;

fn main() {
    let data = TestFixtures::new(42).realistic_nar(LENGTH);
    let profile = Profile::default();
    let mut rows = Rows::default();
    rows.measure("cut_points", || cut_points(&data, profile).count());
    rows.measure("chunk_descriptors", || chunk_descriptors(&data, profile.hash(HASH)));
    rows.measure("chunk_descriptors_parallel", || chunk_descriptors_parallel(&data, profile.hash(HASH)));
    rows.measure("chunk_data", || chunk_data(&data, None, None, None));
    rows.measure("chunk_stream", || {
        ChunkStream::new(Cursor::new(&data), None, None, None).expect("default sizes").for_each(drop);
    });
    rows.measure("push_64KB", || {
        let mut chunker = PushChunker::new(profile.hash(HASH));
        data.chunks(64 << 10).for_each(|piece| drop(chunker.feed(piece)));
        chunker.finish()
    });
    rows.measure("sha256", || sha256_hash(&data));
    rows.measure("blake3", || blake3_hash(&data));
    for codec in [Codec::Zstd, Codec::Lz4, Codec::Xz, Codec::Bzip2] {
        let compressed = compress(codec, &data, None).expect("compresses");
        rows.measure(&format!("compress_{codec}"), || compress(codec, &data, None));
        rows.measure(&format!("decompress_{codec}"), || {
            decompress(codec, &compressed, DecompressionLimits::default())
        });
    }
    rows.report();
}

/// Name, allocations, and peak in bytes.
#[derive(Default)]
struct Rows(Vec<(String, usize, usize)>);

impl Rows {
    /// Measures `run` when it has run once: what is made only once is not counted.
    fn measure<T>(&mut self, name: &str, run: impl Fn() -> T) {
        drop(run());
        self.0.push((name.to_owned(), heap::allocations(&run), heap::peak(&run)));
    }

    fn report(&self) {
        println!("{:28} {:>12} {:>12}", "of 10 MB", "allocations", "peak, KiB");
        for (name, allocations, peak) in &self.0 {
            println!("{name:28} {allocations:>12} {:>12}", peak >> 10);
        }
        if let Some(path) = std::env::args().nth(1).filter(|argument| argument != "--bench") {
            let rows = self.0.iter().map(|(name, allocations, peak)| {
                serde_json::json!({ "name": name, "allocations": allocations, "peak_bytes": peak })
            });
            let json: serde_json::Value = rows.collect();
            std::fs::write(path, format!("{json}\n")).expect("the file can be written");
        }
    }
}
