//! A manifest has one form in bytes and one in JSON: what is accepted is written the same.

use chunker::Profile;
use chunker::manifest::{Manifest, ManifestError};

pub(crate) fn check(input: &[u8]) {
    if let Ok(manifest) = Manifest::parse(input, input.len()) {
        assert_eq!(manifest.to_bytes(), input);
        check_manifest(&manifest);
        let refused = Manifest::parse(input, input.len() - 1);
        assert!(matches!(refused, Err(ManifestError::TooLarge { .. })), "one byte above the limit");
    }
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(input) {
        check_manifest(&manifest);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(profile) = text.parse::<Profile>()
    {
        assert_eq!(profile.to_string(), text);
    }
}

fn check_manifest(manifest: &Manifest) {
    let bytes = manifest.to_bytes();
    assert_eq!(&Manifest::parse(&bytes, bytes.len()).expect("its own bytes"), manifest);
    let json = serde_json::to_vec(manifest).expect("a manifest is JSON");
    assert_eq!(&serde_json::from_slice::<Manifest>(&json).expect("its own JSON"), manifest);

    let mut end = 0;
    for chunk in manifest.chunks() {
        assert_eq!(chunk.offset, end, "chunks follow each other");
        assert!((1..=manifest.profile().options().max_size()).contains(&chunk.length));
        end += chunk.length as u64;
    }
    assert_eq!(manifest.total_length(), end);
}
