//! A store of many chunks: how long look-ups, opening and rebuilding take, and in how much memory.
//!
//! `cargo bench -p chunker-store --bench scale -- 10000000`: chunks of 16 bytes, 4,096 in a pack, in a folder
//! that is removed in the end. Every figure but the first is of a process of its own.

#![allow(clippy::unwrap_used, reason = "a program for measuring")]

use bytes::Bytes;
use chunker::Profile;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::blocking::Store;
use chunker_store::{CacheFolder, StoreOptions};
use cpu_time::ProcessTime;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;
const LOOKUPS: u64 = 10_000;

fn options(folder: &Path) -> StoreOptions {
    let pack = 4096 * (16 + 42);
    StoreOptions::new().level(0).pack_size(pack).cache(CacheFolder::At(folder.join("cache")))
}

fn open(folder: &Path) -> Store {
    Store::open(folder.join("store").to_str().unwrap(), options(folder)).unwrap()
}

/// The digest that the chunk of this number would have, more or less.
fn digest(number: u64) -> [u8; 32] {
    ALGORITHM.digest(&number.to_le_bytes())
}

fn fill(folder: &Path, chunks: u64) {
    let store = open(folder);
    let start = Instant::now();
    let mut writer = store.pack_writer(ALGORITHM);
    for number in 0..chunks {
        writer.add_hashed(digest(number), Bytes::from_static(&[0; 16])).unwrap();
    }
    writer.seal().unwrap();
    println!("{chunks} chunks written in {:.1} s", start.elapsed().as_secs_f64());
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    store.commit(&Manifest::new(Profile::LARGE.hash(ALGORITHM), Vec::new()).unwrap()).unwrap();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    println!("committed, and the snapshot written, in {wall:.2} s ({cpu:.2} s of CPU time)");
}

fn look_up(folder: &Path, chunks: u64, what: &str) {
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let store = open(folder);
    let opened = start.elapsed();
    store.refresh().unwrap();
    let (listed, listed_cpu) = (start.elapsed(), cpu.elapsed().as_secs_f64() * 1e3);
    let mut present = 0;
    let (mut times, mut cpu_times) = (Vec::new(), Vec::new());
    for round in 0..11 {
        let known = (0..LOOKUPS / 2).map(|number| digest((number * 7919 + round * 104_729) % chunks));
        let unknown = (0..LOOKUPS / 2).map(|number| digest(chunks + number));
        let digests: Vec<_> = known.chain(unknown).collect();
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let missing = store.missing(ALGORITHM, &digests).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        cpu_times.push(cpu.elapsed().as_secs_f64() * 1e3);
        present += missing.iter().filter(|&&missing| !missing).count();
    }
    assert_eq!(present as u64, 11 * LOOKUPS / 2);
    let first = times[0];
    times.sort_by(f64::total_cmp);
    cpu_times.sort_by(f64::total_cmp);
    println!(
        "{what}: open {:.1} ms, list packs {:.0} ms ({listed_cpu:.0} ms of CPU time); {LOOKUPS} look-ups {first:.1} ms the first time, \
         {:.1} ms the median ({:.1} ms of CPU time); {}",
        opened.as_secs_f64() * 1e3,
        (listed - opened).as_secs_f64() * 1e3,
        times[5],
        cpu_times[5],
        memory()
    );
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("RssAnon"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [step, folder, chunks] = arguments.as_slice() {
        let (folder, chunks) = (Path::new(folder), chunks.parse().unwrap());
        return if step == "fill" { fill(folder, chunks) } else { look_up(folder, chunks, step) };
    }
    let chunks = arguments.first().map_or("1000000", String::as_str);
    let folder = std::env::temp_dir().join(format!("chunker-store-scale-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let step = |step: &str| {
        let status =
            Command::new(std::env::current_exe().unwrap()).arg(step).arg(&folder).arg(chunks).status();
        assert!(status.unwrap().success());
    };
    step("fill");
    step("with the snapshot");
    std::fs::remove_dir_all(folder.join("cache")).unwrap();
    step("without it");
    step("with the new one");
    std::fs::remove_dir_all(&folder).unwrap();
}
