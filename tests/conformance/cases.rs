//! Every case of `vectors.json`, by every way into the library.

use crate::harness::{PLACE, println, test};
use chunker::chunking::{
    ChunkDescriptor, ChunkStream, DescriptorStream, HashAlgorithm, PayloadChunker, PushChunker, chunk_bytes,
    chunk_data_with_hash, chunk_descriptors,
};
use chunker::manifest::Manifest;
use chunker::{Profile, cut_points};
use serde_json::Value;

struct Case {
    name: String,
    data: Vec<u8>,
    /// As `chunk_data` takes them; `None` when its level and seed are not those of the case.
    sizes: Option<[usize; 3]>,
    profile: Profile,
    id: String,
    expected: Vec<ChunkDescriptor>,
    manifest_root: String,
}

/// The cases of one digest algorithm; as many as the file says.
fn cases(hash: HashAlgorithm) -> Vec<Case> {
    let vectors: Value = serde_json::from_str(include_str!("vectors.json")).expect("vectors.json is JSON");
    let cases: Vec<Case> =
        vectors["cases"].as_array().expect("cases").iter().map(|case| Case::new(case, hash)).collect();
    assert_eq!(Some(cases.len() as u64), vectors["count"].as_u64());
    cases
}

impl Case {
    fn new(case: &Value, hash: HashAlgorithm) -> Self {
        let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("it fits");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let data = crate::inputs::bytes(&case["input"]);
        let sizes = ["min_size", "avg_size", "max_size"].map(|name| number(&case[name]));
        let level = case.get("level").map_or(1, number);
        let seed = case.get("seed").map_or(0, |seed| text(seed).parse().expect("a seed"));
        let profile = Profile::new(sizes[0], sizes[1], sizes[2])
            .and_then(|profile| profile.level(u8::try_from(level).expect("a level")))
            .expect("profiles of the vectors are valid")
            .seed(seed)
            .hash(hash);
        let digests = case[hash.name()].as_array().expect("digests");
        let chunks = case["chunks"].as_array().expect("chunks");
        assert_eq!(chunks.len(), digests.len());
        let descriptor = |(chunk, digest): (&Value, &Value)| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text(digest), &mut hash).expect("a digest");
            ChunkDescriptor { hash, offset: chunk[0].as_u64().expect("an offset"), length: number(&chunk[1]) }
        };
        let name = text(&case["name"]);
        assert_eq!(chunker::hashing::sha256_hash(&data), text(&case["input_sha256"]), "input of {name}");
        Self {
            name,
            data,
            sizes: ((level, seed) == (1, 0)).then_some(sizes),
            profile,
            id: format!("{}/{hash}", text(&case["profile"])),
            expected: chunks.iter().zip(digests).map(descriptor).collect(),
            manifest_root: text(&case["manifest_root"][hash.name()]),
        }
    }

    /// The chunks of a push chunker that is fed pieces of `length` bytes.
    fn pushed(&self, length: usize) -> Vec<ChunkDescriptor> {
        let mut chunker = PushChunker::new(self.profile);
        let mut chunks: Vec<_> = self.data.chunks(length).flat_map(|piece| chunker.feed(piece)).collect();
        chunks.extend(chunker.finish());
        chunks
    }

    fn check(&self) {
        let Self { name, data, profile, expected, .. } = self;
        assert_eq!(profile.to_string(), self.id, "{name}: id");
        assert_eq!(self.id.parse(), Ok(*profile), "{name}: id");
        assert_eq!(&chunk_descriptors(data, *profile), expected, "{name}: chunk_descriptors");
        let ends =
            expected.iter().map(|chunk| usize::try_from(chunk.offset).expect("it fits") + chunk.length);
        assert!(cut_points(data, *profile).eq(ends), "{name}: cut_points");

        let owned = chunk_bytes(&data.clone().into(), *profile);
        if let Some(sizes) = self.sizes {
            let [min, avg, max] = sizes.map(Some);
            let chunks = chunk_data_with_hash(data, min, avg, max, profile.hash_algorithm());
            assert_eq!(chunks.expect("valid sizes"), owned, "{name}: chunk_data_with_hash");
        }
        assert!(
            owned.iter().map(|chunk| chunk.descriptor()).eq(expected.iter().copied()),
            "{name}: chunk_bytes"
        );
        assert_eq!(
            owned.iter().flat_map(|chunk| chunk.payload.to_vec()).collect::<Vec<_>>(),
            *data,
            "{name}"
        );

        for length in [1, 37, 255, 4096, 1 << 20].into_iter().filter(|length| data.len() / length < 400_000) {
            assert_eq!(&self.pushed(length), expected, "{name}: PushChunker with pieces of {length}");
        }
        let mut chunker = PayloadChunker::new(*profile);
        let mut pushed: Vec<_> = data.chunks(4099).flat_map(|piece| chunker.feed(piece)).collect();
        pushed.extend(chunker.finish());
        assert_eq!(pushed, owned, "{name}: PayloadChunker");
        let stream = ChunkStream::with_profile(data.as_slice(), *profile).expect("no environment");
        assert_eq!(
            stream.collect::<Result<Vec<_>, _>>().expect("slices do not fail"),
            owned,
            "{name}: stream"
        );
        let stream = DescriptorStream::new(data.as_slice(), *profile).expect("no environment");
        let described = stream.collect::<Result<Vec<_>, _>>().expect("slices do not fail");
        assert_eq!(&described, expected, "{name}: DescriptorStream");

        let manifest = Manifest::new(*profile, expected.clone()).expect("chunks in order");
        assert_eq!(hex::encode(manifest.root_digest()), self.manifest_root, "{name}: root digest");
        assert_eq!(
            Manifest::parse(&manifest.to_bytes(), usize::MAX).expect("canonical bytes"),
            manifest,
            "{name}"
        );
    }
}

#[test]
fn all_ways_into_the_library_give_the_vectors() {
    for hash in HashAlgorithm::ALL {
        let cases = cases(hash);
        cases.iter().for_each(Case::check);
        println!("conformance: {PLACE} {hash}: {} cases, 0 differences", cases.len());
    }
}

/// Splits at every byte, so that each position is once the last of a piece: a cut may be known only
/// when the next piece comes.
#[test]
fn a_split_at_any_byte_gives_the_vectors() {
    for case in cases(HashAlgorithm::Sha256).iter().filter(|case| case.data.len() < 1200) {
        for at in 0..=case.data.len() {
            let mut chunker = PushChunker::new(case.profile);
            let mut chunks = chunker.feed(&case.data[..at]);
            chunks.extend(chunker.feed(&case.data[at..]));
            chunks.extend(chunker.finish());
            assert_eq!(chunks, case.expected, "{} split at {at}", case.name);
        }
    }
}

/// Any suffix that begins at a cut is chunked like the whole.
#[test]
fn chunking_resumes_at_any_cut() {
    for case in cases(HashAlgorithm::Blake3).iter().filter(|case| case.expected.len() < 50) {
        for (index, chunk) in case.expected.iter().enumerate() {
            let rest = &case.data[usize::try_from(chunk.offset).expect("it fits")..];
            let mut chunker = PushChunker::resume_at(case.profile, chunk.offset);
            let mut chunks = chunker.feed(rest);
            chunks.extend(chunker.finish());
            assert_eq!(chunks, case.expected[index..], "{} from chunk {index}", case.name);
        }
    }
}
