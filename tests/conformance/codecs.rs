//! Every case of `codecs.json`: base32 and references of Nix, Ed25519 signatures, and streams of the tools.

use crate::harness::{PLACE, println, test};
use chunker::compression::{Codec, CompressionError, DecompressionLimits, PushDecoder, decompress};
use chunker::hashing::{nix_base32_decode, nix_base32_encode, sha256_hash};
use chunker::nix::references::{ReferenceNormalizer, ReferencePatches, ReferenceRestorer, StoreHash};
use chunker::signing::{PublicKey, SecretKey, Signature, SigningError};
use data_encoding::BASE64;
use serde_json::Value;

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().expect("a text")
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(case, key)).expect("hexadecimal digits")
}

fn check_base32(case: &Value) {
    let decoded = nix_base32_decode(text(case, "text"));
    match case["code"].as_str() {
        Some(code) => assert_eq!(decoded.expect_err("it is refused").code(), code, "{case}"),
        None => {
            assert_eq!(decoded.as_ref(), Ok(&bytes(case, "hex")), "{case}");
            assert_eq!(nix_base32_encode(&bytes(case, "hex")), text(case, "text"));
        }
    }
}

fn verified(case: &Value) -> Result<(), SigningError> {
    let key = bytes(case, "public_key").try_into().expect("32 bytes");
    let signature = Signature::from_bytes(&bytes(case, "signature"))?;
    PublicKey::from_bytes(&key)?.verify(&bytes(case, "message"), &signature)
}

fn check_signature(case: &Value) {
    assert_eq!(verified(case).map_err(|error| error.code()).err(), case["code"].as_str(), "{case}");
    if case["code"].is_null() {
        let key = SecretKey::from_seed(&bytes(case, "seed").try_into().expect("32 bytes"));
        assert_eq!(key.public_key().to_bytes().as_slice(), bytes(case, "public_key"));
        assert_eq!(key.sign(&bytes(case, "message")).to_bytes().as_slice(), bytes(case, "signature"));
    }
}

fn pushed(codec: Codec, data: &[u8], limits: DecompressionLimits) -> Result<Vec<u8>, CompressionError> {
    let mut decoder = PushDecoder::new(codec, limits)?;
    let (mut output, mut buffer) = (Vec::new(), [0; 1000]);
    for piece in data.chunks(37).map(Some).chain([None]) {
        match piece {
            Some(piece) => decoder.push(piece)?,
            None => decoder.finish(),
        }
        while let length @ 1.. = decoder.read(&mut buffer)? {
            output.extend_from_slice(&buffer[..length]);
        }
    }
    Ok(output)
}

fn check_stream(case: &Value) {
    let codec =
        Codec::ALL.iter().copied().find(|codec| codec.name() == text(case, "codec")).expect("a codec");
    let data = BASE64.decode(text(case, "data").as_bytes()).expect("base64");
    for decompress in [decompress, pushed] {
        let code = |limits| decompress(codec, &data, limits).map_err(|error| error.code());
        match case["code"].as_str() {
            Some(expected) => assert_eq!(code(DecompressionLimits::default()), Err(expected), "{case}"),
            None => {
                let length = case["length"].as_u64().expect("a length");
                let content =
                    code(DecompressionLimits::default().with_max_output(length)).expect("whole data");
                assert_eq!(content.len() as u64, length, "{case}");
                assert_eq!(sha256_hash(&content), text(case, "sha256"), "{case}");
                if let Some(less) = length.checked_sub(1) {
                    assert_eq!(
                        code(DecompressionLimits::default().with_max_output(less)),
                        Err("size_exceeded"),
                        "{case}"
                    );
                }
            }
        }
    }
}

fn check_references(case: &Value) {
    let hashes = case["hashes"].as_array().expect("a list").iter();
    let hashes: Vec<StoreHash> =
        hashes.map(|hash| hash.as_str().expect("a text").parse().expect("a hash")).collect();
    for size in [1, 31, 4096] {
        let (mut stream, mut normalizer) =
            (Vec::new(), ReferenceNormalizer::new(hashes.iter().copied()).expect("few"));
        for piece in bytes(case, "stream").chunks(size) {
            normalizer.push(piece, &mut stream).expect("within limits");
        }
        let patches = normalizer.finish(&mut stream).expect("within limits");
        assert_eq!(sha256_hash(&stream), text(case, "sha256"), "{case}");
        assert_eq!(patches.to_bytes(), bytes(case, "patches"), "{case}");
        let patches = ReferencePatches::from_bytes(&bytes(case, "patches")).expect("canonical");
        let mut restorer = ReferenceRestorer::new(patches);
        for piece in stream.chunks_mut(size) {
            restorer.push(piece).expect("it is of this stream");
        }
        restorer.finish().expect("it is whole");
        assert_eq!(stream, bytes(case, "stream"), "{case}");
    }
}

#[test]
fn codecs_signatures_and_what_is_of_nix_give_the_vectors() {
    let vectors: Value = serde_json::from_str(include_str!("codecs.json")).expect("codecs.json is JSON");
    let cases = vectors["cases"].as_array().expect("cases");
    for case in cases {
        match text(case, "kind") {
            "base32" => check_base32(case),
            "signature" => check_signature(case),
            "stream" => check_stream(case),
            "references" => check_references(case),
            kind => panic!("unknown kind of case: {kind}"),
        }
    }
    assert_eq!(Some(cases.len() as u64), vectors["count"].as_u64());
    println!("conformance: {PLACE} codecs: {} cases, 0 differences", cases.len());
}
