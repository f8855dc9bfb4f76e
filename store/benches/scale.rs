//! A store of many chunks, and of many files: how long look-ups, opening and rebuilding, lists, collections and
//! checks take, and in how much memory.
//!
//! `cargo bench -p chunker-store --bench scale -- 10000000 1000000`: chunks of 16 bytes, 4,096 in a pack, and
//! files of one chunk each, in a folder that is removed in the end. Every figure but the first is of a process
//! of its own.

#![allow(clippy::unwrap_used, reason = "a program for measuring")]

use bytes::Bytes;
use chunker::Profile;
use chunker::chunking::ChunkDescriptor;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::blocking::Store;
use chunker_store::{CacheFolder, CheckOptions, CollectOptions, Root, StoreOptions};
use cpu_time::ProcessTime;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;
const LOOKUPS: u64 = 10_000;
const LENGTH: usize = 16;

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
        writer.add_hashed(digest(number), Bytes::from_static(&[0; LENGTH])).unwrap();
    }
    writer.seal().unwrap();
    println!("{chunks} chunks written in {:.1} s", start.elapsed().as_secs_f64());
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    store.commit(&Manifest::new(Profile::LARGE.hash(ALGORITHM), Vec::new()).unwrap()).unwrap();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    println!("committed, and the snapshot written, in {wall:.2} s ({cpu:.2} s of CPU time)");
}

/// Writes the manifests of files of one chunk each as a commit would, but without a sync for each.
fn fill_files(folder: &Path, files: u64) {
    let manifests = folder.join("store/manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    let start = Instant::now();
    for number in 0..files {
        let chunk = ChunkDescriptor { hash: digest(number), offset: 0, length: LENGTH };
        let manifest = Manifest::new(Profile::LARGE.hash(ALGORITHM), vec![chunk]).unwrap().to_bytes();
        let root = Root::new(ALGORITHM, ALGORITHM.digest(&manifest));
        std::fs::write(manifests.join(root.to_string()), manifest).unwrap();
    }
    println!("{files} manifests written in {:.1} s", start.elapsed().as_secs_f64());
}

/// Does something with all files, and says how long it takes.
fn use_files(folder: &Path, files: u64, what: &str) {
    let store = open(folder);
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let found = match what {
        "list" => store.manifests().unwrap().map(|file| u64::from(file.unwrap().length.is_some())).sum(),
        "check" => {
            let report = store.check(CheckOptions::new()).unwrap();
            assert!(report.is_sound());
            report.files
        }
        _ => {
            let dry_run = what == "collect, dry run";
            let options = CollectOptions::new().min_age(Duration::ZERO).dry_run(dry_run);
            let report = store.collect(options).unwrap();
            print!("{} of {} packs deleted; ", report.deleted_packs, report.packs);
            report.files
        }
    };
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    println!("{what}, {files} files: {wall:.1} s ({cpu:.1} s of CPU time); {}", memory());
    assert_eq!(found, files + 1, "and the empty file");
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
    if let [step, folder, number] = arguments.as_slice() {
        let (folder, number) = (Path::new(folder), number.parse().unwrap());
        return match step.as_str() {
            "fill" => fill(folder, number),
            "fill files" => fill_files(folder, number),
            "list" | "collect, dry run" | "collect" | "check" => use_files(folder, number, step),
            _ => look_up(folder, number, step),
        };
    }
    let chunks = arguments.first().map_or("1000000", String::as_str);
    let files = arguments.get(1).map_or("0", String::as_str);
    let folder = std::env::temp_dir().join(format!("chunker-store-scale-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let step = |step: &str, number: &str| {
        let status =
            Command::new(std::env::current_exe().unwrap()).arg(step).arg(&folder).arg(number).status();
        assert!(status.unwrap().success());
    };
    step("fill", chunks);
    step("with the snapshot", chunks);
    std::fs::remove_dir_all(folder.join("cache")).unwrap();
    step("without it", chunks);
    step("with the new one", chunks);
    if files != "0" {
        step("fill files", files);
        for what in ["list", "check", "collect, dry run", "collect"] {
            step(what, files);
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
