//! Laws of references: what is taken out of a stream is put back exactly, however it is cut.

use crate::harness::test;
use chunker::nix::references::{
    MAX_REFERENCES, PLACEHOLDER, ReferenceError, ReferenceNormalizer, ReferencePatches, ReferenceRestorer,
    StoreHash,
};
use proptest::prelude::*;
use proptest::sample::select;

const HASHES: [&str; 5] = [
    "9krlzvny65gdc8s7kpb6lkx8cd02c25b",
    "00000000000000000000000000000000",
    "0000000000000000000000000000000z",
    "kpb6lkx8cd02c25b9krlzvny65gdc8s7", // halves of the first, swapped: two of it in a row hold it
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
];

fn hashes() -> Vec<StoreHash> {
    HASHES.iter().map(|text| text.parse().expect("a hash")).collect()
}

fn normalized<'a>(
    hashes: &[StoreHash],
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, ReferencePatches), ReferenceError> {
    let mut output = Vec::new();
    let mut normalizer = ReferenceNormalizer::new(hashes.iter().copied())?;
    for piece in pieces {
        normalizer.push(piece, &mut output)?;
    }
    let patches = normalizer.finish(&mut output)?;
    Ok((output, patches))
}

fn restored(patches: &ReferencePatches, stream: &[u8], piece: usize) -> Result<Vec<u8>, ReferenceError> {
    let mut output = stream.to_vec();
    let mut restorer = ReferenceRestorer::new(patches);
    output.chunks_mut(piece.max(1)).try_for_each(|piece| restorer.push(piece))?;
    restorer.finish()?;
    Ok(output)
}

/// The definition: at every offset from the left, whether a hash stands there.
fn by_definition(hashes: &[StoreHash], stream: &[u8]) -> (Vec<u8>, Vec<(u64, StoreHash)>) {
    let (mut output, mut found, mut rest) = (Vec::new(), Vec::new(), stream);
    while let Some(&first) = rest.first() {
        if let Some(hash) = hashes.iter().find(|hash| rest.starts_with(hash.as_str().as_bytes())) {
            found.push((output.len() as u64, *hash));
            output.extend(PLACEHOLDER);
            rest = &rest[32..];
        } else {
            output.push(first);
            rest = &rest[1..];
        }
    }
    (output, found)
}

fn check(hashes: &[StoreHash], stream: &[u8], pieces: &[usize]) {
    let (output, found) = by_definition(hashes, stream);
    let mut rest = stream;
    let mut cut = Vec::new();
    for &length in pieces {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        cut.push(piece);
        rest = after;
    }
    cut.push(rest);
    let (normalized, patches) = normalized(hashes, cut).expect("within limits");
    assert!(normalized == output, "the bytes are those of the definition");
    assert!(patches.iter().eq(found.iter().copied()), "so are the patches");
    assert_eq!(patches.stream_length(), stream.len() as u64);
    for piece in [1, 31, 33, stream.len()] {
        assert!(
            restored(&patches, &normalized, piece).as_deref() == Ok(stream),
            "restored in pieces of {piece}"
        );
    }
    let bytes = patches.to_bytes();
    assert_eq!(ReferencePatches::from_bytes(&bytes).as_ref(), Ok(&patches));
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let hash = select(&HASHES[..]).prop_map(|hash| hash.as_bytes().to_vec());
    let part = (select(&HASHES[..]), 0..=32_usize, 0..=32_usize)
        .prop_map(|(hash, a, b)| hash.as_bytes()[a.min(b)..a.max(b)].to_vec());
    let piece = prop_oneof![
        4 => hash,
        3 => part,
        1 => Just(PLACEHOLDER.to_vec()),
        1 => "[0-9a-z]{0,70}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..70),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_stream_in_any_pieces_is_normalized_by_definition_and_restored(
        stream in stream(),
        pieces in prop::collection::vec(0..50_usize, 0..20),
    ) {
        check(&hashes(), &stream, &pieces);
    }

    #[test]
    fn any_range_of_a_stream_is_restored_alone(stream in stream(), a in 0..900_usize, b in 0..900_usize) {
        let (normalized, patches) = normalized(&hashes(), [&stream[..]]).expect("within limits");
        let (start, end) = (a.min(b).min(stream.len()), a.max(b).min(stream.len()));
        let mut range = normalized[start..end].to_vec();
        patches.restore(start as u64, &mut range).expect("it is of this stream");
        let bytes = start as u64..(start + range.len()) as u64;
        let touched = patches.iter().any(|(offset, _)| offset < bytes.end && bytes.start < offset + 32);
        prop_assert_eq!(patches.touch(&bytes), touched && !bytes.is_empty());
        prop_assert_eq!(&range, &stream[start..end]);
    }

    #[test]
    fn only_canonical_bytes_are_a_list(mut bytes in stream().prop_map(|stream| {
        normalized(&hashes(), [&stream[..]]).expect("within limits").1.to_bytes()
    }), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in 0..4_usize) {
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Ok(patches) = ReferencePatches::from_bytes(&bytes) {
            prop_assert_eq!(patches.to_bytes(), bytes);
        }
    }
}

#[test]
fn every_split_of_two_hashes_at_every_distance_gives_the_same() {
    let hashes = hashes();
    for distance in (0..70).chain([65_500, 65_530, 65_536]) {
        let stream =
            [HASHES[0].as_bytes(), &vec![b'x'; distance], HASHES[3].as_bytes(), HASHES[0].as_bytes()]
                .concat();
        let far = if distance < 70 { 0 } else { 65_500 };
        for split in (far..stream.len()).step_by(if far == 0 { 1 } else { 9 }) {
            check(&hashes, &stream, &[split]);
        }
    }
}

#[test]
fn at_most_31_bytes_are_held_back() {
    let stream = HASHES[0].repeat(40) + &"0".repeat(100);
    let (mut output, mut normalizer) = (Vec::new(), ReferenceNormalizer::new(hashes()).expect("few"));
    for (index, byte) in stream.bytes().enumerate() {
        normalizer.push(&[byte], &mut output).expect("within limits");
        assert!(index + 1 - output.len() <= 31, "at {index}");
    }
}

#[test]
fn a_stream_with_too_many_hashes_fails_for_good_and_writes_nothing_of_the_piece() {
    let mut normalizer = ReferenceNormalizer::new(hashes()).expect("few").with_max_patches(2);
    let mut output = b"before".to_vec();
    let two = HASHES[0].repeat(2);
    normalizer.push(two.as_bytes(), &mut output).expect("two are allowed");
    let length = output.len();
    let limit = Err(ReferenceError::TooManyPatches { limit: 2 });
    assert_eq!(normalizer.push([b"text ", two.as_bytes()].concat().as_slice(), &mut output), limit);
    assert_eq!(normalizer.push(b"more", &mut output), limit);
    assert_eq!(output.len(), length);
    assert_eq!(normalizer.finish(&mut output).err(), limit.err());
}

#[test]
fn another_stream_is_refused_and_left_as_it_was() {
    let (stream, patches) = normalized(&hashes(), [HASHES[0].as_bytes(), b"-name"]).expect("within limits");
    let mut other = stream.clone();
    other[20] = 1;
    let before = other.clone();
    assert_eq!(patches.restore(0, &mut other), Err(ReferenceError::PlaceholderMissing { offset: 0 }));
    assert_eq!(other, before);
    let too_long = [&stream[..], b"!"].concat();
    let mismatch = |actual| ReferenceError::StreamLengthMismatch { expected: 37, actual };
    assert_eq!(restored(&patches, &too_long, 100), Err(mismatch(38)));
    assert_eq!(restored(&patches, &stream[..36], 100), Err(mismatch(36)));
    assert_eq!(patches.restore(u64::MAX, &mut [0]), Err(mismatch(u64::MAX)));
}

#[test]
fn lists_that_are_not_canonical_are_refused_by_what_is_wrong() {
    let list = |tail: &[u8]| [&b"CNR1"[..], tail].concat();
    let hash = [0; 20];
    let other = [9; 20];
    for (bytes, reason) in [
        (b"CNR".to_vec(), "it is truncated"),
        (b"ABC1\0\0\0".to_vec(), "it does not begin with CNR"),
        (list(&[5, 0]), "it is truncated"),
        (list(&[5, 1]), "it is truncated"),
        (list(&[0x85, 0, 0, 0]), "a number is not in its shortest form"),
        (list(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0]), "a number is above 2^64-1"),
        (list(&[5, 0, 0, 7]), "trailing bytes"),
        (list(&[5, 0, 1, 0, 0]), "a patch names no hash"),
        (list(&[&[40, 1], &hash[..], &[0]].concat()), "a hash is not used"),
        (list(&[&[31, 1], &hash[..], &[1, 0, 0]].concat()), "a patch reaches beyond the stream"),
        (list(&[&[40, 1], &hash[..], &[1, 9, 0]].concat()), "a patch reaches beyond the stream"),
        (list(&[&[40, 2], &other[..], &hash[..], &[1, 0, 0]].concat()), "hashes are not in ascending order"),
        (list(&[&[40, 2], &hash[..], &hash[..], &[1, 0, 0]].concat()), "hashes are not in ascending order"),
    ] {
        assert_eq!(
            ReferencePatches::from_bytes(&bytes),
            Err(ReferenceError::InvalidPatches { reason }),
            "{bytes:?}"
        );
    }
    let version = ReferencePatches::from_bytes(b"CNR2").expect_err("another version");
    assert_eq!(version.code(), "unsupported_patches_version");
}

#[test]
fn hashes_are_those_of_store_paths() {
    let hash: StoreHash = HASHES[0].parse().expect("a hash");
    for path in [format!("/nix/store/{}-glibc-2.38", HASHES[0]), format!("{}-glibc", HASHES[0])] {
        assert_eq!(StoreHash::of_path(&path), Ok(hash));
        assert_eq!(StoreHash::of_path_or_hash(&path), Ok(hash));
    }
    assert_eq!(StoreHash::of_path_or_hash(HASHES[0]), Ok(hash));
    assert_eq!(hash.to_string(), HASHES[0]);
    for text in [
        "",
        "9krlzvny65gdc8s7kpb6lkx8cd02c25",
        "9krlzvny65gdc8s7kpb6lkx8cd02c25e",
        "9KRLZVNY65GDC8S7KPB6LKX8CD02C25B",
    ] {
        assert_eq!(
            text.parse::<StoreHash>().map_err(|error| error.code()),
            Err("invalid_store_hash"),
            "{text}"
        );
        assert!(StoreHash::of_path(&format!("/nix/store/{text}-name")).is_err());
    }
    assert!(StoreHash::of_path(HASHES[0]).is_err(), "no name");
    let hashes = (0..=MAX_REFERENCES).map(|_| hash);
    assert_eq!(ReferenceNormalizer::new(hashes).err().map(|error| error.code()), Some("too_many_references"));
}
