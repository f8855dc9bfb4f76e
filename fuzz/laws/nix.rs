//! Nix's texts have one form: what is accepted is written the same.

use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{
    NarInfo, NarInfoFile, NixHashFormat, NixPublicKey, NixSecretKey, nix_hash_decode, nix_hash_encode,
};
use chunker::signing::{PublicKey, Signature};

pub(crate) fn check(input: &[u8]) {
    assert_eq!(nix_base32_decode(&nix_base32_encode(input)).as_deref(), Ok(input));
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(bytes) = nix_base32_decode(text) {
        assert_eq!(nix_base32_encode(&bytes), text);
    }
    if let Ok(signature) = Signature::from_base64(text) {
        assert_eq!(signature.to_base64(), text);
    }
    if let Ok(key) = PublicKey::from_base64(text) {
        assert_eq!(key.to_base64(), text);
    }
    if let Ok(key) = NixPublicKey::parse(text) {
        assert_eq!(key.to_string(), text.trim_end());
    }
    if let Ok(key) = NixSecretKey::parse(text) {
        assert_eq!(*key.to_text(), text.trim_end());
    }
    if let Ok(digest) = nix_hash_decode(text) {
        for format in [NixHashFormat::Base32, NixHashFormat::Base16, NixHashFormat::Sri] {
            assert_eq!(nix_hash_decode(&nix_hash_encode(&digest, format)), Ok(digest));
        }
    }
    if let Ok(file) = NarInfoFile::parse(text) {
        let written = file.to_text().expect("what was read can be written");
        assert_eq!(NarInfoFile::parse(&written), Ok(file), "{written}");
    }
    check_fingerprint(text);
}

/// The fields of a fingerprint are those that it was made of, whatever the paths hold.
fn check_fingerprint(text: &str) {
    let mut paths = text.split('\n');
    let path = paths.next().unwrap_or_default();
    let mut references: Vec<_> = paths.collect();
    let Ok(narinfo) = NarInfo::new(path, [7; 32], 1, &references) else { return };
    references.sort_unstable();
    references.dedup();
    let fingerprint = narinfo.to_string();
    let fields: Vec<_> = fingerprint.split(';').collect();
    let hash = format!("sha256:{}", nix_base32_encode(&[7; 32]));
    assert_eq!(fields[..4], ["1", path, &hash, "1"]);
    let listed = fields[4].split(',').filter(|path| !path.is_empty());
    assert!(listed.eq(references), "{fingerprint}");
    assert_eq!(fields.len(), 5);
}
