//! References of Nix: what is taken out is put back, and lists have one form.

use chunker::nix::references::{ReferenceNormalizer, ReferencePatches, ReferenceRestorer, StoreHash};

/// Of the hashes that the input itself holds, each fourth is looked for.
pub(crate) fn check(input: &[u8]) {
    if let Ok(patches) = ReferencePatches::from_bytes(input) {
        assert_eq!(patches.to_bytes(), input);
    }
    let texts =
        input.windows(32).filter_map(|window| std::str::from_utf8(window).ok()?.parse::<StoreHash>().ok());
    let hashes: Vec<_> = texts.step_by(4).take(100).collect();
    let piece = usize::from(input.first().copied().unwrap_or(0)) + 1;
    let (mut stream, mut normalizer) =
        (Vec::new(), ReferenceNormalizer::new(hashes.iter().copied()).expect("few"));
    for piece in input.chunks(piece) {
        normalizer.push(piece, &mut stream).expect("within limits");
    }
    let patches = normalizer.finish(&mut stream).expect("within limits");
    assert_eq!(ReferencePatches::from_bytes(&patches.to_bytes()).as_ref(), Ok(&patches));
    assert_eq!(patches.references().is_empty(), hashes.is_empty());
    let mut restorer = ReferenceRestorer::new(&patches);
    for piece in stream.chunks_mut(piece + 7) {
        restorer.push(piece).expect("it is of this stream");
    }
    restorer.finish().expect("it is whole");
    assert_eq!(stream, input);
}
