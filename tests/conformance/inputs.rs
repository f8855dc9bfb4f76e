//! The inputs of the conformance vectors, as `README.md` beside this file describes them.

#![expect(clippy::panic, reason = "a test's input that cannot be made ends the test")]

use serde_json::Value;

const ALPHABET: &[u8; 64] = b"etaoin shrdlu,cmfwyp.vbgkqjxz\nETAOIN SHRDLU-CMFWYP!VBGKQJXZ0123\t";

/// Returns the bytes of an input in the form of `vectors.json`.
pub(crate) fn bytes(input: &Value) -> Vec<u8> {
    let number = |name: &str| input[name].as_u64().unwrap_or_else(|| panic!("{name} in {input}"));
    let length = || usize::try_from(number("length")).expect("length fits");
    let pattern = || hex::decode(input["hex"].as_str().expect("hex")).expect("hexadecimal");
    match input["kind"].as_str().expect("kind") {
        "hex" => pattern(),
        "constant" => vec![u8::try_from(number("byte")).expect("a byte"); length()],
        "periodic" => pattern().into_iter().cycle().take(length()).collect(),
        "random" => random(number("seed"), length()),
        "text" => {
            random(number("seed"), length()).iter().map(|byte| ALPHABET[usize::from(byte % 64)]).collect()
        }
        "sparse" => {
            let mut bytes = random(number("seed"), length());
            let every = usize::try_from(number("every")).expect("every fits");
            for (index, byte) in bytes.iter_mut().enumerate() {
                if index % every != 0 {
                    *byte = 0;
                }
            }
            bytes
        }
        "concat" => input["parts"].as_array().expect("parts").iter().flat_map(bytes).collect(),
        kind => panic!("unknown kind of input: {kind}"),
    }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
