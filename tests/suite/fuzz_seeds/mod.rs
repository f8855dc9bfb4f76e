//! The laws of the fuzz targets, on their seeds and on cuttings of them, without a fuzzer.

#[path = "../../../fuzz/laws/mod.rs"]
mod laws;
mod seeds;

fn law(target: &str) -> fn(&[u8]) {
    match target {
        "cuts" => laws::cuts::check,
        "manifest" => laws::manifest::check,
        "nix" => laws::nix::check,
        "references" => laws::references::check,
        "decode" => laws::decode::check,
        "round_trip" => laws::round_trip::check,
        _ => unreachable!("no fuzz target {target}"),
    }
}

#[test]
fn every_seed_obeys_the_law_of_its_target() {
    let seeds = seeds::all();
    assert!(seeds.len() > 2000, "{} seeds", seeds.len());
    for seed in seeds {
        law(seed.target)(&seed.input);
    }
}

/// What a fuzzer tries first: seeds that end early, and seeds with a bit flipped.
#[test]
fn damaged_seeds_obey_the_laws_too() {
    for seed in
        seeds::all().iter().filter(|seed| matches!(seed.target, "decode" | "manifest" | "nix" | "references"))
    {
        let law = law(seed.target);
        let length = seed.input.len();
        for step in 0..16 {
            law(&seed.input[..length * step / 16]);
            let mut damaged = seed.input.clone();
            if let Some(byte) = damaged.get_mut(step * 7919 % length.max(1)) {
                *byte ^= 1 << (step % 8);
                law(&damaged);
            }
        }
    }
}

/// Writes the seeds for the fuzzer: a folder for each target, in the folder that `FUZZ_SEEDS` names.
#[test]
#[ignore = "a part of `make fuzz`"]
fn seeds_are_written() {
    let folder = std::path::PathBuf::from(std::env::var_os("FUZZ_SEEDS").expect("FUZZ_SEEDS is set"));
    for seed in seeds::all() {
        let folder = folder.join(seed.target);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        let file = folder.join(chunker::hashing::sha256_hash(&seed.input));
        std::fs::write(file, &seed.input).expect("the file can be written");
    }
}
