//! The end of a pack has one form: what is accepted is written the same, and its parts add up.

use chunker_store::pack::format::{ENTRY, HEAD, MAX_CHUNK, TRAILER, footer, parse_footer};

/// The first 4 bytes are the length of the chunks before the footer, little-endian.
pub(crate) fn check(input: &[u8]) {
    let Some((body, tail)) = input.split_first_chunk() else { return };
    let size = HEAD.len() as u64 + u64::from(u32::from_le_bytes(*body)) + tail.len() as u64;
    let Ok(entries) = parse_footer(tail, size) else { return };
    let bytes = footer(&entries);
    assert_eq!(bytes.len(), entries.len() * ENTRY + TRAILER);
    assert!(tail.ends_with(&bytes), "another form");
    let mut end = HEAD.len() as u64;
    for entry in &entries {
        assert_eq!(entry.place.range().start, end, "chunks follow each other");
        assert!((1..=MAX_CHUNK).contains(&entry.place.length));
        end = entry.place.range().end;
    }
    assert_eq!(end + bytes.len() as u64, size, "the parts add up");
}
