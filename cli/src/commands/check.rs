//! `chunker check`: checks whether every file can be read.

use crate::args::{Check, Global};
use crate::failure::{Failure, message};
use crate::output::{count, print_json, print_line, size};
use crate::session::Session;
use chunker_store::{CheckOptions, CheckReport, ChunkId};
use serde::Serialize;
use std::error::Error;

#[derive(Debug, Serialize)]
struct Checked {
    sound: bool,
    files: u64,
    packs: u64,
    chunks: u64,
    bytes: u64,
    damaged_packs: Vec<DamagedPack>,
    hurt_files: Vec<HurtFile>,
    strange_objects: Vec<StrangeObject>,
    rescued_chunks: u64,
    deleted_packs: u64,
}

#[derive(Debug, Serialize)]
struct DamagedPack {
    pack: String,
    error: Option<String>,
    chunks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct HurtFile {
    root: String,
    error: Option<String>,
    chunks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StrangeObject {
    object: String,
    error: Option<String>,
}

pub(crate) fn run(global: &Global, options: &Check) -> Result<(), Failure> {
    let session = Session::open_existing(global)?;
    let check = CheckOptions::new().read_data(options.read_data).repair(options.repair);
    let report = session.with_steps(|step| session.store.check(check.progress(step)))?;
    let checked = checked(&report);
    if global.json {
        print_json(&checked)?;
    } else {
        print(&checked, options, global.quiet)?;
    }
    if checked.sound { Ok(()) } else { Err(Failure::Damaged) }
}

fn checked(report: &CheckReport) -> Checked {
    fn text(error: Option<&(dyn Error + 'static)>) -> Option<String> {
        error.map(message)
    }
    let chunks = |chunks: &[ChunkId]| chunks.iter().map(ToString::to_string).collect();
    let damaged_packs = report.damaged_packs.iter().map(|damaged| DamagedPack {
        pack: damaged.pack.to_string(),
        error: text(damaged.error.as_ref().map(|error| error as _)),
        chunks: chunks(&damaged.chunks),
    });
    let hurt_files = report.hurt_files.iter().map(|hurt| HurtFile {
        root: hurt.root.to_string(),
        error: text(hurt.error.as_ref().map(|error| error as _)),
        chunks: chunks(&hurt.chunks),
    });
    let strange_objects = report.strange_objects.iter().map(|object| {
        let damage = report.damaged_objects.iter().find(|damaged| damaged.name == *object);
        StrangeObject { object: object.clone(), error: text(damage.map(|damaged| &damaged.error as _)) }
    });
    Checked {
        sound: report.is_sound(),
        files: report.files,
        packs: report.packs,
        chunks: report.chunks,
        bytes: report.bytes,
        damaged_packs: damaged_packs.collect(),
        hurt_files: hurt_files.collect(),
        strange_objects: strange_objects.collect(),
        rescued_chunks: report.rescued_chunks,
        deleted_packs: report.deleted_packs,
    }
}

fn print(checked: &Checked, options: &Check, quiet: bool) -> Result<(), Failure> {
    for DamagedPack { pack, error, chunks } in &checked.damaged_packs {
        let what = error.clone().unwrap_or_else(|| count(chunks.len() as u64, "damaged chunk"));
        print_line(format_args!("damaged pack {pack}: {what}"))?;
    }
    for HurtFile { root, error, chunks } in &checked.hurt_files {
        let lost = || format!("{} lost", count(chunks.len() as u64, "chunk"));
        let what = error.clone().unwrap_or_else(lost);
        print_line(format_args!("damaged file {root}: {what}"))?;
    }
    for StrangeObject { object, error } in &checked.strange_objects {
        match error {
            Some(error) => print_line(format_args!("damaged object {object}: {error}"))?,
            None => print_line(format_args!("unknown object {object}"))?,
        }
    }
    if options.repair && !checked.damaged_packs.is_empty() {
        let rescued = count(checked.rescued_chunks, "chunk");
        print_line(format_args!(
            "{rescued} rescued, {} deleted",
            count(checked.deleted_packs, "damaged pack")
        ))?;
    }
    if quiet {
        return Ok(());
    }
    let depth =
        if options.read_data { "every byte read" } else { "lists of chunks only; --read-data reads all" };
    print_line(format_args!(
        "{}, {}, {} in {}: {depth}",
        count(checked.files, "file"),
        count(checked.chunks, "chunk"),
        size(checked.bytes),
        count(checked.packs, "pack"),
    ))
}
