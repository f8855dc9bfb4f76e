//! What the fuzz targets begin with: the conformance vectors, and inputs that once failed.

use super::laws;
use crate::inputs;
use chunker::Profile;
use chunker::chunking::{HashAlgorithm, chunk_descriptors};
use chunker::compression::Codec;
use chunker::hashing::nix_base32_encode;
use chunker::manifest::Manifest;
use data_encoding::BASE64;
use serde_json::Value;

/// Bytes of data in a seed at most: a fuzzer works best with short inputs.
const LENGTH: usize = 4096;

/// Inputs on which a way into the library once broke a law, or took long.
const FORMER_FAULTS: [(Codec, &str); 4] = [
    // A last block of nothing, behind a head that says there is content.
    (Codec::Zstd, "28b52ffd2000050000"),
    (Codec::Zstd, "28b52ffd200003000028"),
    // A compressed block of no bytes, where there is no content.
    (Codec::Zstd, "28b52ffd240005000099e9d851"),
    // Frames of nothing with the largest blocks.
    (Codec::Lz4, "04224d186070730000000004224d186070730000000004224d1860707300000000"),
];

/// An input of a fuzz target.
pub(crate) struct Seed {
    pub(crate) target: &'static str,
    pub(crate) input: Vec<u8>,
}

/// Returns the seeds of all targets that read bytes as they are.
pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, input| seeds.push(Seed { target, input });
    for (index, case) in cases(include_str!("../../conformance/vectors.json")).iter().enumerate() {
        let size = |name: &str| usize::try_from(case[name].as_u64().expect("a size")).expect("it fits");
        let (min, avg, max) = (size("min_size"), size("avg_size"), size("max_size"));
        let level = case.get("level").map_or(1, |level| level.as_u64().expect("a level"));
        let seed = case.get("seed").map_or(0, |_| text(case, "seed").parse().expect("a seed"));
        let profile = Profile::new(min, avg, max).expect("valid sizes");
        let profile = profile.level(u8::try_from(level).expect("small")).expect("a mask").seed(seed);
        let mut data = inputs::bytes(&case["input"]);
        data.truncate(LENGTH);
        let piece = [1, 37, 255, 1000][index % 4];
        add("cuts", laws::cuts::seed(profile, piece, &data));
        let codec = Codec::ALL[index % Codec::ALL.len()];
        add(
            "round_trip",
            laws::round_trip::seed(codec, u8::try_from(index / 4 % 13).expect("< 13"), piece, &data),
        );
        let hash = HashAlgorithm::ALL[index % 2];
        let profile = profile.hash(hash);
        let manifest = Manifest::new(profile, chunk_descriptors(&data, profile)).expect("chunks in order");
        add("manifest", manifest.to_bytes());
        add("manifest", serde_json::to_vec(&manifest).expect("a manifest is JSON"));
        add("manifest", manifest.profile().to_string().into_bytes());
    }
    for case in cases(include_str!("../../conformance/codecs.json")) {
        match text(&case, "kind") {
            "base32" => add("nix", text(&case, "text").into()),
            "signature" => {
                for field in ["public_key", "signature"] {
                    let bytes = hex::decode(text(&case, field)).expect("hexadecimal");
                    add("nix", BASE64.encode(&bytes).into());
                    add("nix", format!("cache.example.org-1:{}", BASE64.encode(&bytes)).into());
                }
            }
            "references" => {
                for field in ["stream", "patches"] {
                    let mut input = hex::decode(text(&case, field)).expect("hexadecimal");
                    input.truncate(LENGTH);
                    add("references", input);
                }
            }
            _ => {
                let codec = Codec::ALL.iter().find(|codec| codec.name() == text(&case, "codec"));
                let data = BASE64.decode(text(&case, "data").as_bytes()).expect("base64");
                let length =
                    case["length"].as_u64().map_or(1000, |length| u32::try_from(length).expect("short"));
                for (limit, piece) in [(length, 37), (length.saturating_sub(1), 1), (1 << 20, 1000)] {
                    add("decode", laws::decode::seed(*codec.expect("a codec"), limit, piece, &data));
                }
            }
        }
    }
    for (codec, frames) in FORMER_FAULTS {
        let data = hex::decode(frames).expect("hexadecimal");
        for piece in [1, 5, 100] {
            add("decode", laws::decode::seed(codec, 1000, piece, &data));
        }
    }
    // Once taken for a public key: two texts of base64, one behind the other.
    add("nix", "bdMuPa92CBRdtfpcw48RIGNDbD9g+jU=U2CBRdQw48RI".into());
    let path = |name: &str| format!("/nix/store/{}-{name}", nix_base32_encode(&[0x5a; 20]));
    add("nix", path("hello-2.12.1").into());
    add("nix", [path("hello"), path("glibc-2.35"), path("hello")].join("\n").into());
    seeds
}

fn cases(vectors: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(vectors).expect("the vectors are JSON");
    vectors["cases"].as_array().expect("cases").clone()
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().expect("a text")
}
