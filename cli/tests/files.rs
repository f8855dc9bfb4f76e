//! What is put can be got back.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Sandbox, noise, text};
use std::fs;

const SEEDED: &str = "fastcdc-v2020/nc2/seed666/4096-16384-65536/sha256";

#[test]
fn every_profile_hash_and_level_gives_back_what_was_put() {
    let mixed = [text(1_500_000), noise(1_500_000, 1), vec![0; 500_000]].concat();
    let inputs = [&[][..], b"x", &mixed[..70_001], &mixed];
    for profile in ["large", "medium", "small", SEEDED] {
        for hash in ["sha256", "blake3"] {
            let sandbox = Sandbox::new();
            for (level, input) in ["0", "1", "3", "19"].into_iter().zip(inputs) {
                let path = sandbox.file("input", input);
                let options = ["--profile", profile, "--hash", hash, "--compress", level];
                let put = sandbox.run(&[&["put", "-q"][..], &options, &[path.to_str().unwrap()]].concat());
                let root = put.succeeded().text().trim_end().to_owned();
                assert!(root.starts_with(hash), "{root}");
                assert_eq!(sandbox.get(&root), input, "{profile} {hash} {level}");
            }
            sandbox.run(&["check", "--read-data"]).succeeded();
        }
    }
}

#[test]
fn standard_input_is_stored_like_a_file() {
    let sandbox = Sandbox::new();
    let input = noise(3_000_000, 2);
    let root = sandbox.put(&sandbox.file("input", &input));
    let put = sandbox.run_with_input(&["put", "--quiet", "-"], &input).succeeded();
    assert_eq!(put.text().trim_end(), root);
}

#[test]
fn the_default_profile_comes_from_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.file("input", b"x");
    let put = |variable| {
        let output = sandbox.command(&["put", "-q", "input"]).env("CHUNKER_PROFILE", variable).output();
        common::Run::new(output.unwrap())
    };
    assert!(put(SEEDED).succeeded().text().starts_with("sha256-"));
    assert!(put("small").succeeded().text().starts_with("blake3-"));
    assert_eq!(put("tiny").status, Some(2));
}

#[test]
fn an_edited_copy_adds_only_what_is_new() {
    let sandbox = Sandbox::new();
    let mut input = noise(8_000_000, 3);
    sandbox.put(&sandbox.file("input", &input));
    input.splice(4_000_000..4_000_000, *b"an edit in the middle");
    sandbox.file("edited", &input);
    let put = sandbox.run(&["put", "--json", "edited", "edited", "input"]).succeeded().json();
    assert!((1..800_000).contains(&put[0]["new_bytes"].as_u64().unwrap()), "{put:?}");
    assert_eq!(put[1]["new_bytes"], 0);
    assert_eq!(put[1]["root"], put[0]["root"]);
    assert_eq!(put[2]["new_bytes"], 0);
    assert_eq!(put[3]["new_bytes"], put[0]["new_bytes"]);
}

#[test]
fn many_files_are_stored_in_few_packs() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..600).map(|number| format!("file-{number}")).collect();
    for (seed, name) in (0..).zip(&names) {
        sandbox.file(name, &noise(1000, seed));
    }
    let arguments: Vec<&str> =
        ["put", "--json"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let put = sandbox.run(&arguments).succeeded().json();
    assert!(put.iter().zip(&names).all(|(stored, name)| stored["file"] == **name));
    assert_eq!(put[600]["files"], 600);
    assert!(sandbox.packs().len() <= 3);
    assert_eq!(sandbox.run(&["ls", "-q"]).succeeded().text().lines().count(), 600);
}

#[test]
fn a_range_gives_the_bytes_that_it_names() {
    let sandbox = Sandbox::new();
    let input = noise(1_000_000, 4);
    let root = sandbox.put(&sandbox.file("input", &input));
    for (range, expected) in [
        ("0-0", &input[..1]),
        ("70000-299999", &input[70_000..300_000]),
        ("999999-", &input[999_999..]),
        ("999000-2000000", &input[999_000..]),
        ("-5", &input[999_995..]),
        ("-2000000", &input),
    ] {
        assert_eq!(sandbox.run(&["get", &root, "--range", range]).succeeded().stdout, expected, "{range}");
        sandbox.run(&["get", &root, "--range", range, "-o", "part"]).succeeded();
        assert_eq!(fs::read(sandbox.path("part")).unwrap(), expected, "{range}");
    }
}

#[test]
fn an_older_copy_is_reused_and_only_what_it_has() {
    let sandbox = Sandbox::new();
    let old = [noise(4_000_000, 5), vec![7; 1_000_000]].concat();
    let mut new = old.clone();
    new.splice(2_000_000..2_000_100, noise(5000, 6));
    new.extend_from_within(..100_000);
    let root = sandbox.put(&sandbox.file("new", &new));
    for (old, least) in [(&old[..], 4_000_000), (&new, new.len() as u64), (&[], 0), (&noise(500_000, 7), 0)] {
        sandbox.file("old", old);
        let got =
            sandbox.run(&["get", &root, "--json", "-o", "restored", "--reuse", "old"]).succeeded().json();
        assert_eq!(fs::read(sandbox.path("restored")).unwrap(), new);
        assert!(got[0]["reused_bytes"].as_u64() >= Some(least), "{got:?}");
    }
    // In place: what is replaced is what is reused.
    sandbox.file("old", &old);
    sandbox.run(&["get", &root, "-o", "old", "--reuse", "old"]).succeeded();
    assert_eq!(fs::read(sandbox.path("old")).unwrap(), new);
}

#[test]
fn what_the_old_copy_has_need_not_be_in_the_store() {
    let sandbox = Sandbox::new();
    let input = noise(1_000_000, 8);
    let root = sandbox.put(&sandbox.file("input", &input));
    sandbox.packs().into_iter().for_each(|pack| fs::remove_file(pack).unwrap());
    sandbox.run(&["get", &root, "-o", "restored", "--reuse", "input"]).succeeded();
    assert_eq!(fs::read(sandbox.path("restored")).unwrap(), input);
}

/// Puts inputs whose chunks the store has, and collects these chunks before the commit: `put` waits for a
/// pipe meanwhile.
#[cfg(unix)]
fn put_while_collected(sandbox: &Sandbox, file: &str, input: &[u8]) -> common::Run {
    use std::io::Write as _;
    let root = sandbox.put(&sandbox.file("input", input));
    sandbox.run(&["rm", &root]).succeeded();
    let pipe = sandbox.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut put = sandbox.start(&["put", "-q", file, "pipe"]);
    let mut standard_input = put.stdin.take().unwrap();
    if file == "-" {
        standard_input.write_all(input).unwrap();
    }
    drop(standard_input);
    let writer = fs::File::options().write(true).open(&pipe).unwrap(); // once `put` has opened it too
    let collected = sandbox.run(&["gc", "--min-age", "0", "--json"]).succeeded().json();
    assert_eq!(collected[0]["deleted_packs"], 1);
    drop(writer);
    common::Run::new(put.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn chunks_that_are_collected_before_the_commit_are_added_again() {
    let sandbox = Sandbox::new();
    let input = noise(1_000_000, 11);
    let put = put_while_collected(&sandbox, "input", &input).succeeded();
    assert_eq!(sandbox.get(put.text().lines().next().unwrap()), input);
    sandbox.run(&["check", "--read-data"]).succeeded();
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_again_is_named_when_its_chunks_were_collected() {
    let sandbox = Sandbox::new();
    let put = put_while_collected(&sandbox, "-", &noise(1_000_000, 12));
    assert_eq!(put.status, Some(1));
    let errors = "error: chunks of - were collected while it was being stored: put it again\n\
                  error: 1 of 2 files could not be stored\n";
    assert_eq!(put.stderr, errors);
    assert_eq!(sandbox.run(&["ls"]).succeeded().text().lines().count(), 1, "the pipe was stored");
    sandbox.run(&["check", "--read-data"]).succeeded();
}

#[cfg(unix)]
#[test]
fn an_output_is_replaced_with_its_permissions_and_links_are_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", b"new"));
    let target = sandbox.file("target", b"old and longer");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("target", sandbox.path("link")).unwrap();
    sandbox.run(&["get", &root, "-o", "link"]).succeeded();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(sandbox.path("link").is_symlink());
    sandbox.run(&["get", &root, "-o", "fresh"]).succeeded();
    let (fresh, input) =
        (sandbox.path("fresh").metadata().unwrap(), sandbox.path("input").metadata().unwrap());
    assert_eq!(fresh.permissions(), input.permissions());
}

#[cfg(unix)]
#[test]
fn what_a_dangling_link_names_is_created_and_a_loop_is_refused() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", b"new"));
    fs::create_dir(sandbox.path("folder")).unwrap();
    symlink("folder/second", sandbox.path("first")).unwrap();
    symlink("../named", sandbox.path("folder/second")).unwrap();
    sandbox.run(&["get", &root, "-o", "first"]).succeeded();
    assert!(sandbox.path("first").is_symlink() && sandbox.path("folder/second").is_symlink());
    assert!(!sandbox.path("named").is_symlink());
    assert_eq!(fs::read(sandbox.path("named")).unwrap(), b"new");

    symlink("missing/file", sandbox.path("lost")).unwrap();
    let line = sandbox.run(&["get", &root, "-o", "lost"]).failed(1);
    assert!(line.starts_with("error: cannot write lost: No such file"), "{line}");
    symlink("pong", sandbox.path("ping")).unwrap();
    symlink("ping", sandbox.path("pong")).unwrap();
    let line = sandbox.run(&["get", &root, "-o", "ping"]).failed(1);
    assert!(line.starts_with("error: cannot write ping: Too many levels of symbolic links"), "{line}");
    assert!(["lost", "ping", "pong"].iter().all(|name| sandbox.path(name).is_symlink()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_written_by_the_name_of_its_device() {
    let sandbox = Sandbox::new();
    let input = noise(300_000, 13);
    let root = sandbox.put(&sandbox.file("input", &input));
    let got = sandbox.run(&["get", &root, "-q", "-o", "/dev/stdout"]).succeeded();
    assert_eq!(got.stdout, input);
}

#[test]
fn the_first_digits_of_a_root_are_enough() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", b"content"));
    let (algorithm, digits) = root.split_once('-').unwrap();
    for prefix in
        [&digits[..8], &digits[..30].to_uppercase(), digits, &format!("{algorithm}-{}", &digits[..8])]
    {
        assert_eq!(sandbox.get(prefix), b"content", "{prefix}");
    }
    sandbox.run(&["get", &format!("sha256-{}", &digits[..8])]).failed(3);
    sandbox.run(&["rm", &digits[..8]]).succeeded();
    sandbox.run(&["get", &digits[..8]]).failed(3);
}

#[test]
fn space_comes_back_after_a_file_is_removed() {
    let sandbox = Sandbox::new();
    let kept = sandbox.put(&sandbox.file("kept", &noise(200_000, 9)));
    let removed = sandbox.put(&sandbox.file("removed", &noise(300_000, 10)));
    sandbox.run(&["rm", &removed]).succeeded();
    let dry = sandbox.run(&["gc", "--min-age", "0", "--dry-run", "--json"]).succeeded().json();
    assert_eq!((&dry[0]["doomed_packs"], &dry[0]["deleted_packs"]), (&1.into(), &0.into()));
    assert_eq!(sandbox.run(&["gc", "--json"]).succeeded().json()[0]["deleted_packs"], 0, "too young");
    let done = sandbox.run(&["gc", "--min-age", "0", "--json"]).succeeded().json();
    assert_eq!((&done[0]["files"], &done[0]["deleted_packs"]), (&1.into(), &1.into()));
    assert!(done[0]["deleted_bytes"].as_u64() > Some(300_000));
    assert_eq!(sandbox.get(&kept), noise(200_000, 9));
    sandbox.run(&["check", "--read-data"]).succeeded();
}

#[test]
fn the_default_store_lies_in_the_data_folder() {
    let sandbox = Sandbox::new();
    sandbox.file("input", b"x");
    let output = sandbox.command(&["put", "-q", "input"]).env_remove("CHUNKER_STORE").output().unwrap();
    assert!(output.status.success());
    assert!(sandbox.path("data/chunker/format").is_file());
    assert!(!sandbox.path("store").exists());
}
