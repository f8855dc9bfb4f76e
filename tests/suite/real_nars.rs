//! Laws of real NARs, made by `nix-store --dump` of what is on every machine that runs these tests: this
//! repository and its toolchain.

use crate::fixtures::characteristics::{bits_per_byte, stored_before, zstd_ratio};
use chunker::chunking::chunk_data;
use chunker::hashing::nix_base32_encode;
use chunker::hashing::sha256_hash_raw;
use chunker::{Profile, cut_points};
use fastcdc::v2020::FastCDC;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROFILES: [[usize; 3]; 3] =
    [[2048, 8192, 32_768], [16_384, 65_536, 262_144], [262_144, 1_048_576, 4_194_304]];

/// Returns what a program prints; its own errors go to ours.
fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stderr(Stdio::inherit()).output().expect("it is installed");
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

fn dump(path: &Path) -> Vec<u8> {
    output("nix-store", &["--dump", path.to_str().expect("UTF-8")])
}

/// A folder that is gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chunker-real-nars-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The formatter of the pinned toolchain: machine code and its tables.
fn program() -> PathBuf {
    let sysroot = output("rustc", &["--print", "sysroot"]);
    Path::new(String::from_utf8_lossy(&sysroot).trim()).join("bin/rustfmt")
}

struct Nar {
    name: &'static str,
    data: Vec<u8>,
    /// As it was recorded, with room for other versions of the sources and hosts of the toolchain.
    bits_per_byte: RangeInclusive<f64>,
    zstd_ratio: RangeInclusive<f64>,
}

/// Calls `check` with each NAR and the path that it was dumped from.
fn for_each_nar(folder: &str, check: impl Fn(&Path, Nar)) {
    let folder = Folder::new(folder);
    let compressed = folder.0.join("sources.nar.xz");
    let nar = folder.0.join("sources.nar");
    fs::write(&nar, dump(&sources())).expect("it can be written");
    fs::write(&compressed, output("xz", &["-c", nar.to_str().expect("UTF-8")])).expect("it can be written");
    for (name, path, bits_per_byte, zstd_ratio) in [
        ("sources", sources(), 4.8..=5.4, 3.2..=4.4),
        ("program", program(), 5.8..=6.6, 2.3..=3.5),
        ("compressed", compressed.clone(), 7.99..=8.0, 0.99..=1.01),
    ] {
        check(&path, Nar { name, data: dump(&path), bits_per_byte, zstd_ratio });
    }
}

#[test]
fn real_nars_have_their_recorded_characteristics() {
    for_each_nar("characteristics", |_, nar| {
        let (bits, ratio) = (bits_per_byte(&nar.data), zstd_ratio(&nar.data));
        let said = format!("{}: {} bytes, {bits:.3} bits a byte, ratio {ratio:.2}", nar.name, nar.data.len());
        assert!(nar.data.starts_with(b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0"), "{said}");
        assert!(nar.bits_per_byte.contains(&bits) && nar.zstd_ratio.contains(&ratio), "{said}");
    });
}

#[test]
fn real_nars_are_cut_as_by_fastcdc_and_nothing_is_lost() {
    for_each_nar("cuts", |_, nar| {
        for [min, avg, max] in PROFILES {
            let profile = Profile::new(min, avg, max).unwrap();
            let ours: Vec<usize> = cut_points(&nar.data, profile).collect();
            let theirs: Vec<usize> =
                FastCDC::new(&nar.data, min, avg, max).map(|chunk| chunk.offset + chunk.length).collect();
            assert_eq!(ours, theirs, "{} by {avg}", nar.name);
            assert_eq!(ours.last(), Some(&nar.data.len()), "{} by {avg}", nar.name);
        }
    });
}

#[test]
fn nix_gives_a_nar_the_same_name() {
    for_each_nar("names", |path, nar| {
        let theirs = output("nix-hash", &["--type", "sha256", "--base32", path.to_str().expect("UTF-8")]);
        let ours = nix_base32_encode(&sha256_hash_raw(&nar.data));
        assert_eq!(ours, String::from_utf8_lossy(&theirs).trim(), "{}", nar.name);
    });
}

/// The sources, and then with a line added at the front of the first file, one changed in another, and a
/// file of its own: what a small release changes.
#[test]
fn two_versions_share_what_was_not_changed() {
    let folder = Folder::new("versions");
    let version = folder.0.join("src");
    output("cp", &["-r", sources().to_str().expect("UTF-8"), version.to_str().expect("UTF-8")]);
    let old = dump(&version);
    let edit = |file: &str, change: &dyn Fn(String) -> String| {
        let path = version.join(file);
        fs::write(&path, change(fs::read_to_string(&path).expect("it is a source")))
            .expect("it can be written");
    };
    edit("acceleration.rs", &|text| format!("// A line more.\n{text}"));
    edit("profile.rs", &|text| text.replacen("min", "smallest", 1));
    fs::write(version.join("added.rs"), "//! A new file.\n").expect("it can be written");
    let new = dump(&version);

    let by_content = stored_before(&old, &new, |nar| {
        let chunks = chunk_data(nar, Some(2048), Some(8192), Some(32_768)).unwrap();
        chunks.iter().map(|chunk| chunk.length).collect()
    });
    let by_length = stored_before(&old, &new, |nar| nar.chunks(8192).map(<[u8]>::len).collect());
    // 0.93 when it was recorded; each edit costs the chunk around it, whose length depends on the sources.
    assert!((0.7..0.99).contains(&by_content), "{by_content}");
    assert!(by_length < 0.05, "{by_length}");
}
