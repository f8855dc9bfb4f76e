//! The JSON of every command.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Sandbox, noise};
use serde_json::{Value, json};

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}

#[test]
fn every_command_prints_the_documented_keys() {
    let sandbox = Sandbox::new();
    sandbox.file("input", &noise(400_000, 1));
    let run = |arguments: &[&str]| sandbox.run(&[arguments, &["--json"]].concat()).succeeded().json();

    let put = run(&["put", "input"]);
    assert_eq!(keys(&put[0]), sorted(&["file", "root", "size", "chunks", "new_chunks", "new_bytes"]));
    assert_eq!(keys(&put[1]), sorted(&["files", "size", "new_bytes", "stored_bytes", "seconds"]));
    assert_eq!((&put[0]["file"], &put[0]["size"]), (&json!("input"), &json!(400_000)));
    assert_eq!((&put[0]["new_bytes"], &put[1]["new_bytes"]), (&json!(400_000), &json!(400_000)));
    let root = put[0]["root"].as_str().unwrap();

    let got = run(&["get", root, "-o", "restored"]);
    assert_eq!(got, [json!({ "file": "restored", "root": root, "size": 400_000, "reused_bytes": 0 })]);

    let listed = run(&["ls"]);
    assert_eq!(keys(&listed[0]), sorted(&["root", "size", "stored"]));
    assert_eq!((&listed[0]["root"], &listed[0]["size"]), (&json!(root), &json!(400_000)));
    let stored = listed[0]["stored"].as_str().unwrap();
    assert!(stored.len() == 20 && stored.starts_with("20") && stored.ends_with('Z'), "{stored}");

    let stats = run(&["stats"]);
    assert_eq!(
        keys(&stats[0]),
        sorted(&["store", "files", "size", "chunks", "packs", "doomed_packs", "bytes"])
    );
    assert_eq!((&stats[0]["files"], &stats[0]["size"]), (&json!(1), &json!(400_000)));

    let checked = run(&["check", "--read-data"]);
    let names = ["sound", "files", "packs", "chunks", "bytes", "damaged_packs", "hurt_files"];
    let more = ["strange_objects", "rescued_chunks", "deleted_packs"];
    assert_eq!(keys(&checked[0]), sorted(&[&names[..], &more].concat()));
    assert_eq!((&checked[0]["sound"], &checked[0]["hurt_files"]), (&json!(true), &json!([])));

    let cuts = run(&["cuts", "input"]);
    assert!(cuts.iter().all(|cut| keys(cut) == ["hash", "length", "offset"]));
    assert_eq!(cuts.len() as u64, put[0]["chunks"].as_u64().unwrap());
    let end = |cut: &Value| cut["offset"].as_u64().unwrap() + cut["length"].as_u64().unwrap();
    assert!(cuts.windows(2).all(|pair| pair[1]["offset"] == end(&pair[0])));
    assert_eq!(end(cuts.last().unwrap()), 400_000);

    let dedup = run(&["dedup", "input", "input"]);
    assert_eq!(
        keys(&dedup[0]),
        sorted(&["files", "bytes", "chunks", "unique_bytes", "unique_chunks", "seconds"])
    );
    assert_eq!((&dedup[0]["bytes"], &dedup[0]["unique_bytes"]), (&json!(800_000), &json!(400_000)));

    assert_eq!(run(&["rm", root]), [json!({ "root": root, "removed": true })]);

    let collected = run(&["gc", "--min-age", "0"]);
    let names = ["files", "packs", "bytes", "live_bytes", "doomed_packs", "deleted_packs", "deleted_bytes"];
    let more = ["copied_chunks", "copied_bytes", "kept_packs", "expired_commits", "removed_temporaries"];
    assert_eq!(keys(&collected[0]), sorted(&[&names[..], &more].concat()));
    assert_eq!((&collected[0]["files"], &collected[0]["deleted_packs"]), (&json!(0), &json!(1)));
}

#[test]
fn an_error_is_one_document_with_its_code() {
    let sandbox = Sandbox::new();
    sandbox.file("input", b"x");
    let code = |status: i32, arguments: &[&str]| {
        let line = sandbox.run(&[arguments, &["--json"]].concat()).failed(status);
        let error: Value = serde_json::from_str(&line).unwrap();
        assert!(!error["error"]["message"].as_str().unwrap().is_empty());
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(3, &["ls"]), "store_not_found");
    assert_eq!(code(1, &["put", "nothing"]), "io_error");
    assert_eq!(code(1, &["put", "."]), "input_is_folder");
    assert_eq!(code(2, &["put", "--compress", "23", "input"]), "invalid_arguments");
    assert_eq!(code(2, &["ls", "--store", "ftp://host/"]), "invalid_store_address");
    let root = sandbox.put(&sandbox.path("input"));
    assert_eq!(code(2, &["get", &root, "--range", "1-"]), "range_not_satisfiable");
    assert_eq!(
        code(
            3,
            &["get", &root.replace(|digit: char| digit.is_ascii_digit(), "0").replace("blake0", "blake3")]
        ),
        "root_not_found"
    );
    assert_eq!(code(3, &["rm", "00000000"]), "root_not_found");
    sandbox.file("store/format", b"something else");
    assert_eq!(code(1, &["ls"]), "not_a_store");
    sandbox.file("store/format", b"chunker-store 99\n");
    assert_eq!(code(1, &["ls"]), "unsupported_store_version");
}

#[test]
fn an_error_of_usage_names_what_is_missing_or_allowed() {
    let sandbox = Sandbox::new();
    for (arguments, parts) in [
        (&["put"][..], &["required arguments were not provided: <FILE>..."][..]),
        (&["get", "12345678", "--reuse", "old"], &["not provided: --output <FILE>"]),
        (&["completions", "cmd"], &["invalid value 'cmd' for '<SHELL>' [possible values: bash, ", "zsh]"]),
        (&["frobnicate"], &["unrecognized subcommand 'frobnicate'"]),
    ] {
        let line = sandbox.run(&[arguments, &["--json"]].concat()).failed(2);
        let error: Value = serde_json::from_str(&line).unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(!message.contains("Usage") && !message.contains("error: "), "{message}");
    }
}
