//! Base32 and signatures against the programs of a real Nix, which must be installed.

use crate::harness::test;
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{
    InvalidNarInfo, NarInfo, NarInfoFile, NixHashFormat, NixPublicKey, NixSecretKey, nix_hash_decode,
    nix_hash_encode,
};
use chunker::signing::{SecretKey, SigningError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A home, a store and a state of their own for the programs of Nix.
struct Nix(PathBuf);

impl Nix {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("chunker-nix-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("conf")).expect("a temporary folder");
        let configuration =
            "experimental-features = nix-command\nbuild-users-group =\nsandbox = false\nsubstituters =\n";
        std::fs::write(root.join("conf/nix.conf"), configuration).expect("a configuration");
        Self(root)
    }

    /// Runs a program of Nix.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .env("HOME", self.0.join("home"))
            .env("NIX_CONF_DIR", self.0.join("conf"))
            .env("NIX_STORE_DIR", self.0.join("store"))
            .env("NIX_STATE_DIR", self.0.join("state"))
            .env("NIX_LOG_DIR", self.0.join("log"))
            .output()
            .expect("the programs of Debian's nix-bin are installed")
    }

    fn text(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// Begins anew with an empty store, as another machine would.
    fn forget(&self) {
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(&self.0).status();
        for name in ["home", "store", "state"] {
            let _ = std::fs::remove_dir_all(self.0.join(name));
        }
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path of text").to_owned()
    }
}

impl Drop for Nix {
    fn drop(&mut self) {
        self.forget(); // what is built is read-only
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn base32_reads_back_at_every_length_and_refuses_what_nobody_writes() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    for length in 0..200 {
        let mut data = vec![0; length];
        random.fill_bytes(&mut data);
        let text = nix_base32_encode(&data);
        assert_eq!(text.len(), if length == 0 { 0 } else { (length * 8 - 1) / 5 + 1 });
        assert_eq!(nix_base32_decode(&text), Ok(data));
    }
    // One byte has two characters; three of their ten bits are beyond it.
    assert_eq!(nix_base32_decode("7z"), Ok(vec![0xff]));
    for text in ["8z", "zz", "0", "000", "0A", "0e", "0o", "0t", "0u", "0=", "é", "0 ", " 0"] {
        assert!(nix_base32_decode(text).is_err(), "{text:?}");
    }
}

/// Builds a path that is not content-addressed, so that only a signature makes it trusted, and
/// copies it into a binary cache; returns the path and the narinfo's file.
fn binary_cache(nix: &Nix) -> (String, PathBuf) {
    let expression = r#"
        let reference = builtins.toFile "reference" "referenced";
        in derivation {
            name = "example"; system = builtins.currentSystem; builder = "/bin/sh";
            args = [ "-c" "echo ${reference} > $out" ];
        }"#;
    std::fs::write(nix.path("default.nix"), expression).expect("an expression");
    let path = nix.text("nix-build", &["--no-out-link", &nix.path("default.nix")]);
    nix.text("nix", &["copy", "--to", &format!("file://{}", nix.path("cache")), &path]);
    let hash = Path::new(&path).file_name().and_then(|name| name.to_str()?.get(..32)).expect("a store path");
    let narinfo = Path::new(&nix.path("cache")).join(format!("{hash}.narinfo"));
    (path, narinfo)
}

fn parse(narinfo: &str) -> NarInfo {
    let field =
        |name: &str| narinfo.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim();
    let hash = field("NarHash:").strip_prefix("sha256:").expect("SHA-256");
    let hash = nix_base32_decode(hash).expect("base32").try_into().expect("32 bytes");
    let path = field("StorePath:");
    let (store, _) = path.rsplit_once('/').expect("a store path");
    let references = field("References:").split_whitespace().map(|name| format!("{store}/{name}"));
    NarInfo::new(path, hash, field("NarSize:").parse().expect("a number"), references).expect("store paths")
}

#[test]
fn what_nix_refuses_in_a_narinfo_or_a_key_is_refused() {
    let good = "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name-1.0";
    let hidden = "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-.name";
    assert!(NarInfo::new(good, [0; 32], 1, [hidden]).is_ok());
    for bad in [
        "",
        "/nix/store/",
        "0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
        "/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5p-name",
        "/nix/store/Emdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-a,b",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-a;b",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-.",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-..",
        "/nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-..-name",
        "/nix//store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
        "/nix/../0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
        "/nix;store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
        "/nix\rstore/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name",
    ] {
        let error = InvalidNarInfo::StorePath { path: bad.to_owned() };
        assert_eq!(NarInfo::new(bad, [0; 32], 1, [good]).unwrap_err(), error);
        assert_eq!(NarInfo::new(good, [0; 32], 1, [bad]).unwrap_err(), error);
        assert_eq!(error.code(), "invalid_store_path");
    }
    let empty = NarInfo::new(good, [0; 32], 0, [good]).unwrap_err();
    assert_eq!((empty.code(), empty), ("invalid_nar_size", InvalidNarInfo::NarSize));
    let key = || SecretKey::from_seed(&[1; 32]);
    for name in ["", "a:b", "a b", "a\n", "a\0", "\u{1b}[0m"] {
        assert_eq!(NixSecretKey::new(name, key()).unwrap_err(), SigningError::InvalidSecretKey, "{name:?}");
    }
    assert_eq!(
        NixPublicKey::parse(&NixSecretKey::new("a-1", key()).unwrap().public_key().to_string())
            .unwrap()
            .name(),
        "a-1"
    );
    assert_eq!(NixPublicKey::parse("no-colon").unwrap_err(), SigningError::InvalidPublicKey);
}

#[test]
fn a_narinfo_file_that_is_wrong_is_refused_by_what_is_wrong() {
    let good = "StorePath: /nix/store/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name\nURL: nar/x.nar\n\
        NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73\nNarSize: 5\nReferences: \n";
    let file = NarInfoFile::parse(good).expect("a narinfo");
    assert_eq!((file.compression.as_str(), file.narinfo.references().len()), ("bzip2", 0));
    assert_eq!(NarInfoFile::parse(&format!("{good}Deriver: unknown-deriver\n")).unwrap().deriver, None);

    let value = |field: &str, value: &str| InvalidNarInfo::Value { field: field.into(), value: value.into() };
    let without = |field: &str| {
        let lines = good.split_inclusive('\n').filter(|line| !line.starts_with(field));
        NarInfoFile::parse(&lines.collect::<String>())
    };
    for field in ["StorePath", "URL", "NarHash", "NarSize"] {
        assert_eq!(without(field), Err(InvalidNarInfo::Missing { field }));
    }
    for (line, error) in [
        ("NarSize: 6\n", InvalidNarInfo::Repeated { field: "NarSize" }),
        ("CA\n", InvalidNarInfo::Line { line: 6 }),
        ("CA:\n", InvalidNarInfo::Line { line: 6 }),
        (": a\n", InvalidNarInfo::Line { line: 6 }),
        ("\n", InvalidNarInfo::Line { line: 6 }),
        ("Sig: truncated", InvalidNarInfo::Line { line: 6 }),
        ("CA: \n", value("CA", "")),
        ("FileSize: +5\n", value("FileSize", "+5")),
        ("FileSize: 18446744073709551616\n", value("FileSize", "18446744073709551616")),
        ("FileHash: md5:00\n", value("FileHash", "md5:00")),
        ("Deriver: a/b\n", value("Deriver", "a/b")),
    ] {
        assert_eq!(NarInfoFile::parse(&format!("{good}{line}")), Err(error), "{line:?}");
    }
    let changed = |from: &str, to: &str| NarInfoFile::parse(&good.replace(from, to)).unwrap_err().code();
    assert_eq!(changed("NarSize: 5", "NarSize: 0"), "invalid_nar_size");
    assert_eq!(changed("URL: nar/x.nar", "URL: "), "invalid_narinfo");
    assert_eq!(changed("/nix/store/", "/nix/../"), "invalid_store_path");
    assert_eq!(changed("References: ", "References: ../etc"), "invalid_narinfo");
    assert_eq!(changed("References: ", "References: name"), "invalid_store_path");

    for (name, text) in [("Sig", "a"), ("URL", "a"), ("A:B", "a"), ("", "a"), ("A", "a\nSig: b")] {
        let mut file = file.clone();
        file.other.push((name.into(), text.into()));
        assert_eq!(file.to_text(), Err(value(name, text)));
    }
    let elsewhere =
        NarInfoFile { deriver: Some("/other/0mdqa9w1p6cmli6976v4wi0sw9r4p5pr-name.drv".into()), ..file };
    assert_eq!(elsewhere.to_text().unwrap_err().code(), "invalid_narinfo");
}

/// Laws that need other programs.
mod tools {
    use super::*;
    use core::prelude::v1::test;

    #[test]
    fn base32_is_that_of_nix_hash_both_ways_for_digests_of_every_length() {
        let nix = Nix::new("base32");
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut cases = 0;
        for (algorithm, length) in [("md5", 16), ("sha1", 20), ("sha256", 32), ("sha512", 64)] {
            let digests: Vec<Vec<u8>> = (0..300)
                .map(|_| {
                    let mut digest = vec![0; length];
                    random.fill_bytes(&mut digest);
                    digest
                })
                .collect();
            let hex: Vec<String> = digests.iter().map(hex::encode).collect();
            let mut arguments = vec!["--type", algorithm, "--to-base32"];
            arguments.extend(hex.iter().map(String::as_str));
            let encoded = nix.text("nix-hash", &arguments);
            arguments[2] = "--to-base16";
            arguments.truncate(3);
            arguments.extend(encoded.lines());
            assert_eq!(nix.text("nix-hash", &arguments).lines().collect::<Vec<_>>(), hex);
            for (digest, encoded) in digests.iter().zip(encoded.lines()) {
                assert_eq!(nix_base32_encode(digest), encoded);
                assert_eq!(nix_base32_decode(encoded).as_ref(), Ok(digest));
                cases += 1;
            }
        }
        assert_eq!(cases, 1200);
    }

    #[test]
    fn nix_accepts_signatures_made_here_and_refuses_others() {
        let nix = Nix::new("accepts");
        let (path, file) = binary_cache(&nix);
        let narinfo = std::fs::read_to_string(&file).expect("a narinfo");
        let key = NixSecretKey::new("test.example.org-1", SecretKey::generate().unwrap()).unwrap();
        let good = key.sign(&parse(&narinfo));
        let other = NixSecretKey::new("test.example.org-1", SecretKey::generate().unwrap())
            .unwrap()
            .sign(&parse(&narinfo));
        let renamed = good.replace("test.example.org-1", "test.example.org-2");
        let of_other_data = key.sign(&parse(&narinfo.replace("NarSize: ", "NarSize: 1")));

        let copy = |signature: Option<&str>| {
            nix.forget();
            let line = signature.map(|signature| format!("Sig: {signature}\n")).unwrap_or_default();
            std::fs::write(&file, format!("{narinfo}{line}")).expect("a narinfo");
            let trusted = key.public_key().to_string();
            let cache = format!("file://{}", nix.path("cache"));
            let options = ["--option", "require-sigs", "true", "--option", "trusted-public-keys", &trusted];
            nix.run("nix", &[&["copy", "--from", &cache], &options[..], &[&path]].concat())
        };
        for bad in [None, Some(other.as_str()), Some(&renamed), Some(&of_other_data)] {
            let output = copy(bad);
            assert!(!output.status.success(), "{bad:?}");
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(message.contains("signature"), "{message}");
        }
        let output = copy(Some(&good));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(Path::new(&path).exists());
    }

    #[test]
    fn signatures_of_nix_are_accepted_here_and_tampered_ones_refused() {
        let nix = Nix::new("signs");
        let (secret, public) = (nix.path("secret"), nix.path("public"));
        nix.text("nix-store", &["--generate-binary-cache-key", "nix.example.org-1", &secret, &public]);
        let secret_text = std::fs::read_to_string(&secret).unwrap();
        let public_text = std::fs::read_to_string(&public).unwrap();
        let key = NixPublicKey::parse(&public_text).unwrap();
        assert_eq!(key.to_string(), public_text.trim_end());
        let own = NixSecretKey::parse(&secret_text).unwrap();
        assert_eq!(own.public_key(), key);
        assert_eq!(own.to_text().as_str(), secret_text.trim_end());

        let (path, file) = binary_cache(&nix);
        let signed = format!("file://{}?secret-key={secret}", nix.path("signed"));
        nix.text("nix", &["copy", "--to", &signed, &path]);
        let text =
            std::fs::read_to_string(Path::new(&nix.path("signed")).join(file.file_name().unwrap())).unwrap();
        let signature = text.lines().find_map(|line| line.strip_prefix("Sig: ")).expect("a signature");
        let narinfo = parse(&text);
        assert_eq!(key.verify(&narinfo, signature), Ok(()));
        assert_eq!(own.sign(&narinfo), signature, "Ed25519 is deterministic");

        let tampered = parse(&text.replace("NarSize: ", "NarSize: 1"));
        assert_eq!(key.verify(&tampered, signature), Err(SigningError::VerificationFailed));
        let renamed = signature.replace("nix.example.org-1", "nix.example.org-2");
        assert_eq!(key.verify(&narinfo, &renamed), Err(SigningError::VerificationFailed));
        assert_eq!(key.verify(&narinfo, "no name"), Err(SigningError::InvalidSignature));
    }

    #[test]
    fn narinfo_files_of_nix_are_read_and_written_byte_for_byte() {
        let nix = Nix::new("files");
        let (secret, public) = (nix.path("secret"), nix.path("public"));
        nix.text("nix-store", &["--generate-binary-cache-key", "nix.example.org-1", &secret, &public]);
        let key = NixPublicKey::parse(&std::fs::read_to_string(&public).unwrap()).unwrap();
        let (path, file) = binary_cache(&nix);
        for (compression, suffix) in
            [("xz", ".nar.xz"), ("zstd", ".nar.zst"), ("none", ".nar"), ("bzip2", ".nar.bz2")]
        {
            let cache = nix.path(compression);
            let url = format!("file://{cache}?secret-key={secret}&compression={compression}");
            nix.text("nix", &["copy", "--to", &url, &path]);
            let text = std::fs::read_to_string(Path::new(&cache).join(file.file_name().unwrap())).unwrap();
            let read = NarInfoFile::parse(&text).expect("a narinfo");
            assert_eq!(read.to_text().as_ref(), Ok(&text));
            assert_eq!(read.narinfo, parse(&text));
            assert_eq!(read.compression, compression);
            assert!(read.url.ends_with(suffix), "{}", read.url);
            let compressed = std::fs::read(Path::new(&cache).join(&read.url)).expect("the NAR");
            assert_eq!(read.file_hash, Some(chunker::hashing::sha256_hash_raw(&compressed)));
            assert_eq!(read.file_size, Some(compressed.len() as u64));
            assert!(read.deriver.as_ref().is_some_and(|path| path.ends_with("-example.drv")));
            assert_eq!(key.verify(&read.narinfo, &read.signatures[0]), Ok(()));
        }
    }

    #[test]
    fn nix_accepts_files_written_and_signed_here() {
        let nix = Nix::new("written");
        let (path, file) = binary_cache(&nix);
        let mut narinfo = NarInfoFile::parse(&std::fs::read_to_string(&file).unwrap()).expect("a narinfo");
        let key = NixSecretKey::new("test.example.org-1", SecretKey::generate().unwrap()).unwrap();
        narinfo.other.push(("X-Chunks".to_owned(), "12".to_owned()));
        narinfo.sign(&key);
        narinfo.sign(&key);
        assert_eq!(narinfo.signatures.len(), 1, "one signature counts once");
        std::fs::write(&file, narinfo.to_text().expect("it can be written")).unwrap();
        nix.forget();
        let (cache, trusted) = (format!("file://{}", nix.path("cache")), key.public_key().to_string());
        let options = ["--option", "require-sigs", "true", "--option", "trusted-public-keys", &trusted];
        nix.text("nix", &[&["copy", "--from", &cache], &options[..], &[&path]].concat());
        assert!(Path::new(&path).exists());
    }

    #[test]
    fn hashes_are_written_as_nix_writes_them_and_read_in_each_form() {
        let nix = Nix::new("hashes");
        let mut random = ChaCha8Rng::seed_from_u64(9);
        for _ in 0..5 {
            let mut digest = [0; 32];
            random.fill_bytes(&mut digest);
            let hex = hex::encode(digest);
            let of_nix = |form: &str| nix.text("nix", &["hash", form, "--type", "sha256", &hex]);
            let base32 = format!("sha256:{}", of_nix("to-base32"));
            let base16 = format!("sha256:{hex}");
            assert_eq!(nix_hash_encode(&digest, NixHashFormat::Sri), of_nix("to-sri"));
            assert_eq!(nix_hash_encode(&digest, NixHashFormat::Base32), base32);
            assert_eq!(nix_hash_encode(&digest, NixHashFormat::Base16), base16);
            let base64 = format!("sha256:{}", of_nix("to-base64"));
            for text in
                [base32, base16.to_uppercase().replace("SHA", "sha"), base16, base64, of_nix("to-sri")]
            {
                assert_eq!(nix_hash_decode(&text), Ok(digest), "{text}");
            }
            for text in
                [hex.clone(), format!("sha1:{hex}"), format!("sha256:{}", &hex[2..]), format!("sha256-{hex}")]
            {
                assert!(nix_hash_decode(&text).is_err(), "{text}");
            }
        }
    }
}
