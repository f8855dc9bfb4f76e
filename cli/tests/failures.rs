//! What is said and returned when something is wrong.

mod common;

use chunker::manifest::Manifest;
use chunker_store::Root;
use common::{Sandbox, noise};
use std::fs::{self, File};
use std::process::Stdio;

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    for arguments in [
        &["put"][..],
        &["put", "--profile", "huge", "x"],
        &["put", "--profile", "fastcdc-v2020/nc1/1-2-3/sha256", "x"],
        &["put", "--hash", "md5", "x"],
        &["put", "--compress", "-1", "x"],
        &["get", "1234567"],
        &["get", "not-a-root"],
        &["get", "12345678", "--range", "5-4", "-o", "x"],
        &["get", "12345678", "--reuse", "old"],
        &["get", "12345678", "--reuse", "old", "-o", "x", "--range", "0-"],
        &["gc", "--min-age", "1"],
        &["gc", "--max-waste", "101"],
        &["serve", "--credentials"],
        &["serve", "--patience", "0s"],
        &["serve", "--listen", "localhost"],
        &["serve", "--open", "--token-file", "token"],
        &["frobnicate"],
        &["completions", "cmd"],
        &["man", "frobnicate"],
        &["ls", "--store", ""],
    ] {
        let run = sandbox.run(arguments);
        assert_eq!(run.status, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: ") && run.stdout.is_empty(), "{arguments:?}");
    }
    assert!(sandbox.names().is_empty(), "nothing was made");
}

#[test]
fn a_profile_of_impossible_sizes_is_refused_with_its_reason_once() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["put", "--profile", "fastcdc-v2020/nc1/16384-1000-262144/sha256", "x"]);
    assert_eq!(run.status, Some(2));
    let reason = "sizes are out of order: min 16384, avg 1000, max 262144";
    assert_eq!(run.stderr.matches(reason).count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("invalid profile id").count(), 1, "{}", run.stderr);
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_reading() {
    let sandbox = Sandbox::new();
    let root = "0".repeat(64);
    for arguments in
        [&["ls"][..], &["stats"], &["check"], &["gc"], &["get", &root, "-o", "out"], &["rm", &root]]
    {
        let line = sandbox.run(arguments).failed(3);
        assert!(line.starts_with("error: there is no store at "), "{line}");
    }
    assert!(!sandbox.path("store").exists() && !sandbox.path("out").exists());
}

#[test]
fn files_that_can_be_read_are_stored_and_the_others_are_named() {
    let sandbox = Sandbox::new();
    sandbox.file("first", &noise(100_000, 1));
    sandbox.file("last", &noise(100_000, 2));
    let run = sandbox.run(&["put", "first", "missing", ".", "last"]);
    assert_eq!(run.status, Some(1));
    let errors: Vec<_> = run.stderr.lines().collect();
    assert!(errors[0].starts_with("error: cannot read missing: No such file"), "{errors:?}");
    assert!(errors[1].starts_with("error: . is a folder"), "{errors:?}");
    assert_eq!(errors[2..], ["error: 2 of 4 files could not be stored"]);
    assert_eq!(run.text().lines().count(), 3);
    assert_eq!(sandbox.run(&["ls", "-q"]).succeeded().text().lines().count(), 2);
    sandbox.run(&["check", "--read-data"]).succeeded();
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", &noise(100_000, 3)));
    fs::create_dir(sandbox.path("folder")).unwrap();
    for output in ["folder", "missing/output", "input/output"] {
        let line = sandbox.run(&["get", &root, "-o", output]).failed(1);
        assert!(
            line.starts_with(&format!("error: cannot write {output}: ")) || line.contains("folder"),
            "{line}"
        );
    }
    assert!(fs::read_dir(sandbox.path("folder")).unwrap().next().is_none());
    for arguments in [&["get", &root][..], &["ls"], &["cuts", "input"], &["man"], &["completions", "zsh"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let line = common::Run::new(output).failed(1);
        assert!(line.starts_with("error: cannot write to standard output: "), "{arguments:?}: {line}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error_to_talk_about() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", &noise(3_000_000, 4)));
    for arguments in
        [&["get", &root][..], &["cuts", "--profile", "fastcdc-v2020/nc1/64-64-64/blake3", "input"]]
    {
        let mut child = sandbox.start(arguments);
        drop(child.stdout.take());
        let run = common::Run::new(child.wait_with_output().unwrap());
        assert_eq!((run.status, run.stderr.as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn damage_is_named_never_delivered_and_healed_by_putting_again() {
    let sandbox = Sandbox::new();
    let input = noise(2_000_000, 5);
    let root = sandbox.put(&sandbox.file("input", &input));
    let pack = sandbox.packs().remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&pack, bytes).unwrap();

    sandbox.file("output", b"what was there");
    let line = sandbox.run(&["get", &root, "-o", "output"]).failed(4);
    assert!(line.starts_with("error: ") && line.contains("does not match its digest"), "{line}");
    assert_eq!(fs::read(sandbox.path("output")).unwrap(), b"what was there");
    assert_eq!(sandbox.names(), ["cache", "input", "output", "store"]);
    let got = sandbox.run(&["get", &root]);
    assert_eq!(got.status, Some(4));
    assert!(input.starts_with(&got.stdout), "only what is right was written");

    sandbox.run(&["check"]).succeeded();
    let checked = sandbox.run(&["check", "--read-data"]);
    assert_eq!((checked.status, checked.stderr.as_str()), (Some(4), "error: the store is damaged\n"));
    assert!(
        checked.text().contains("1 damaged chunk") && checked.text().contains(&root),
        "{}",
        checked.text()
    );
    let repaired = sandbox.run(&["check", "--read-data", "--repair", "--json"]);
    assert_eq!(repaired.status, Some(4));
    let report = &repaired.json()[0];
    assert!(report["rescued_chunks"].as_u64() > Some(0), "{report}");
    assert_eq!(report["hurt_files"][0]["root"], *root);

    assert_eq!(sandbox.put(&sandbox.path("input")), root);
    assert_eq!(sandbox.get(&root), input);
    sandbox.run(&["check", "--read-data", "--repair"]);
    sandbox.run(&["check", "--read-data"]).succeeded();
}

#[test]
fn a_manifest_with_wrong_lengths_is_refused_wherever_its_chunks_come_from() {
    let sandbox = Sandbox::new();
    let input = noise(2_000_000, 6);
    let root = sandbox.put(&sandbox.file("input", &input));
    let stored = fs::read(sandbox.path(&format!("store/manifests/{root}"))).unwrap();
    let manifest = Manifest::parse(&stored, usize::MAX).unwrap();
    let mut chunks = manifest.chunks().to_vec();
    let max_size = manifest.profile().options().max_size();
    let at = (1..chunks.len() - 2).find(|&at| chunks[at].length + 4 <= max_size).unwrap();
    chunks[at].length += 4;
    chunks[at + 1].offset += 4;
    chunks[at + 1].length -= 4;
    let wrong = Manifest::new(manifest.profile(), chunks).unwrap();
    let root = Root::new(wrong.hash_algorithm(), wrong.root_digest()).to_string();
    sandbox.file(&format!("store/manifests/{root}"), &wrong.to_bytes());

    sandbox.file("empty", b"");
    sandbox.file("output", b"what was there");
    for reuse in [&[][..], &["--reuse", "empty"], &["--reuse", "input"]] {
        sandbox.run(&[&["get", &root, "-o", "output"], reuse].concat()).failed(4);
        assert_eq!(fs::read(sandbox.path("output")).unwrap(), b"what was there");
    }
}

#[test]
fn a_damaged_pack_that_gc_keeps_is_reported() {
    let sandbox = Sandbox::new();
    let kept = noise(300_000, 7);
    let [first, second] = [sandbox.file("kept", &kept), sandbox.file("removed", &noise(300_000, 8))];
    let put = sandbox.run(&["put", "-q", first.to_str().unwrap(), second.to_str().unwrap()]).succeeded();
    let removed = put.text().lines().nth(1).unwrap().to_owned();
    let pack = sandbox.packs().remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    let within = bytes.windows(64).position(|window| window == &kept[1000..1064]).unwrap();
    bytes[within] ^= 1;
    fs::write(&pack, bytes).unwrap();
    sandbox.run(&["rm", &removed]).succeeded();

    let name = pack.file_name().unwrap().to_str().unwrap();
    let warning = format!(
        "warning: kept the damaged pack {name}: it may have the only copy of chunks that files need\n"
    );
    for quiet in [&["gc", "--min-age", "0"][..], &["gc", "--min-age", "0", "--quiet"]] {
        let output = sandbox.command(quiet).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), warning);
        assert!(output.status.success() && pack.is_file());
    }
}

#[test]
fn a_mistake_in_one_root_removes_none() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", b"x"));
    sandbox.run(&["rm", &root, "00000000"]).failed(3);
    assert_eq!(sandbox.get(&root), b"x");
}

#[test]
fn digits_that_two_roots_begin_with_name_neither() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", b"x"));
    let other = format!("{}{}", &root[..50], "0".repeat(root.len() - 50));
    sandbox.file(&format!("store/manifests/{other}"), b"not a manifest");
    let digits = &root["blake3-".len()..][..12];
    let line = sandbox.run(&["get", digits]).failed(2);
    assert!(line.starts_with(&format!("error: 2 roots begin with {digits}: blake3-")), "{line}");
    assert_eq!(sandbox.get(&root), b"x");
    assert!(sandbox.run(&["get", &other]).failed(4).contains("does not match its digest"));
    assert!(sandbox.run(&["ls"]).succeeded().text().contains(&format!("{other}     damaged  20")));
    let checked = sandbox.run(&["check", "--json"]);
    assert_eq!((checked.status, &checked.json()[0]["hurt_files"][0]["root"]), (Some(4), &other.into()));
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    sandbox.file("input", b"x");
    let line = sandbox.run(&["--store", "input/store", "put", "input"]).failed(1);
    assert!(
        line.starts_with("error: cannot use the store input/store: ") && line.contains("Not a directory"),
        "{line}"
    );
    std::fs::create_dir(sandbox.path("other")).unwrap();
    sandbox.file("other/file", b"somebody's");
    let line = sandbox.run(&["--store", "other", "put", "input"]).failed(1);
    assert_eq!(line, "error: cannot use the store other: not a chunker store");
}
