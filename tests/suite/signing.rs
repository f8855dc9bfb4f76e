//! Laws of signatures, with vectors of RFC 8032 and OpenSSL as the other side.

use crate::harness::test;
use chunker::Profile;
use chunker::chunking::{HashAlgorithm, chunk_descriptors};
use chunker::manifest::Manifest;
use chunker::signing::{
    PublicKey, SecretKey, Signature, SigningError, generate_keypair, sign_data, verify_signature,
};
use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::*;
use std::process::Command;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal").try_into().expect("the right length")
}

/// RFC 8032, section 7.1: seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn keys_and_signatures_are_those_of_rfc_8032() {
    for [seed, public, message, signature] in RFC_8032 {
        let key = SecretKey::from_seed(&bytes(seed));
        let message = HEXLOWER.decode(message.as_bytes()).unwrap();
        assert_eq!(key.public_key().to_bytes(), bytes(public));
        assert_eq!(key.sign(&message).to_bytes(), bytes::<64>(signature));
        let public = PublicKey::from_bytes(&bytes(public)).unwrap();
        public.verify(&message, &Signature::from_bytes(&bytes::<64>(signature)).unwrap()).unwrap();
    }
}

proptest! {
    #[test]
    fn a_signature_holds_for_its_data_and_key_alone(
        data in prop::collection::vec(any::<u8>(), 0..300),
        flip in any::<prop::sample::Index>(),
        seed: [u8; 32],
        other: [u8; 32],
    ) {
        prop_assume!(seed != other);
        let key = SecretKey::from_seed(&seed);
        let signature = key.sign(&data);
        prop_assert_eq!(key.public_key().verify(&data, &signature), Ok(()));
        let failed = Err(SigningError::VerificationFailed);
        prop_assert_eq!(SecretKey::from_seed(&other).public_key().verify(&data, &signature), failed);
        let mut longer = data.clone();
        longer.push(0);
        prop_assert_eq!(key.public_key().verify(&longer, &signature), failed);
        let mut damaged = signature.to_bytes();
        let bit = flip.index(8 * 64);
        damaged[bit / 8] ^= 1 << (bit % 8);
        let damaged = Signature::from_bytes(&damaged).and_then(|damaged| key.public_key().verify(&data, &damaged));
        prop_assert!(damaged.is_err());
    }

    #[test]
    fn texts_read_back(seed: [u8; 32]) {
        let key = SecretKey::from_seed(&seed);
        prop_assert_eq!(SecretKey::from_base64(&key.to_base64()).unwrap().public_key(), key.public_key());
        prop_assert_eq!(PublicKey::from_base64(&key.public_key().to_base64()), Ok(key.public_key()));
        let signature = key.sign(b"");
        prop_assert_eq!(Signature::from_base64(&signature.to_base64()), Ok(signature));
    }
}

#[test]
fn padding_inside_a_text_is_malformed() {
    // As Python's strict base64 says: such a text is two, one behind the other.
    let public_key = "bdMuPa92CBRdtfpcw48RIGNDbD9g+jU=U2CBRdQw48RI";
    assert_eq!(PublicKey::from_base64(public_key).map(|_| ()), Err(SigningError::DecodeError));
    let signature = format!("{}=={}=={}", "A".repeat(42), "A".repeat(42), "A".repeat(4));
    assert_eq!(Signature::from_base64(&signature).map(|_| ()), Err(SigningError::DecodeError));
}

#[test]
fn every_malformed_text_has_its_error() {
    let (secret, public) = generate_keypair();
    let (other, _) = generate_keypair();
    let signature = sign_data(b"", &secret).unwrap();
    let decoded = |text: &str| BASE64.decode(text.as_bytes()).unwrap();
    let mixed = BASE64.encode(&[&decoded(&secret)[..32], &decoded(&other)[32..]].concat());
    let short = BASE64.encode(&[0; 31]);
    for (key, error) in [
        ("", SigningError::InvalidSecretKey),
        ("!", SigningError::DecodeError),
        (&short, SigningError::InvalidSecretKey),
        (&public, SigningError::InvalidSecretKey),
        (&mixed, SigningError::InvalidSecretKey),
    ] {
        assert_eq!(sign_data(b"", key), Err(error), "{key}");
    }
    let identity =
        BASE64.encode(&bytes::<32>("0100000000000000000000000000000000000000000000000000000000000000"));
    let off_curve =
        BASE64.encode(&bytes::<32>("0200000000000000000000000000000000000000000000000000000000000000"));
    // y = 3 + p, which is the point of y = 3 in a second way of writing.
    let not_canonical =
        BASE64.encode(&bytes::<32>("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
    for key in [&short, &identity, &off_curve, &not_canonical] {
        assert_eq!(verify_signature(b"", &signature, key), Err(SigningError::InvalidPublicKey), "{key}");
    }
    assert_eq!(verify_signature(b"", &signature, "?"), Err(SigningError::DecodeError));
    let length = SigningError::InvalidSignatureLength { actual: 31 };
    assert_eq!(verify_signature(b"", &short, &public), Err(length));
    assert_eq!(
        verify_signature(b"", &BASE64.encode(&[0xff; 64]), &public),
        Err(SigningError::InvalidSignature)
    );
    assert_eq!(verify_signature(b"x", &signature, &public), Err(SigningError::VerificationFailed));
}

#[test]
fn every_error_has_its_code() {
    let codes = [
        SigningError::InvalidSecretKey,
        SigningError::InvalidPublicKey,
        SigningError::InvalidSignature,
        SigningError::InvalidSignatureLength { actual: 0 },
        SigningError::DecodeError,
        SigningError::VerificationFailed,
        SigningError::Randomness,
    ]
    .map(|error| error.code());
    assert_eq!(
        codes,
        [
            "invalid_secret_key",
            "invalid_public_key",
            "invalid_signature",
            "invalid_signature_length",
            "decode_error",
            "verification_failed",
            "randomness_unavailable",
        ]
    );
}

#[test]
fn a_manifest_is_signed_as_a_manifest() {
    let profile = Profile::new(64, 256, 1024).unwrap();
    let manifest = |data: &[u8]| {
        let chunks = chunk_descriptors(data, profile.hash(HashAlgorithm::Sha256));
        Manifest::new(profile.hash(HashAlgorithm::Sha256), chunks).unwrap()
    };
    let key = SecretKey::from_seed(&[7; 32]);
    let (one, other) = (manifest(&[1; 5000]), manifest(&[2; 5000]));
    let signature = key.sign_manifest(&one);
    assert_eq!(key.public_key().verify_manifest(&one, &signature), Ok(()));
    assert!(key.public_key().verify_manifest(&other, &signature).is_err());
    assert!(
        key.public_key().verify(&one.to_bytes(), &signature).is_err(),
        "the domain is part of what is signed"
    );
    assert!(key.public_key().verify_manifest(&one, &key.sign(&one.to_bytes())).is_err());
}

#[test]
fn debug_output_does_not_show_a_secret() {
    assert_eq!(format!("{:?}", SecretKey::from_seed(&[7; 32])), "SecretKey");
}

/// Laws that need other programs.
mod tools {
    use super::*;
    use core::prelude::v1::test;

    #[test]
    fn openssl_verifies_what_is_signed_here() {
        let folder = std::env::temp_dir().join(format!("chunker-openssl-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        let (secret, public) = generate_keypair();
        // SubjectPublicKeyInfo of RFC 8410: a fixed head, then the key.
        let mut info = bytes::<12>("302a300506032b6570032100").to_vec();
        info.extend(BASE64.decode(public.as_bytes()).unwrap());
        std::fs::write(path("key.der"), info).unwrap();
        std::fs::write(path("data"), b"what is signed").unwrap();
        let verify = |signature: &str| {
            std::fs::write(path("signature"), BASE64.decode(signature.as_bytes()).unwrap()).unwrap();
            let mut openssl = Command::new("openssl");
            openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey"]);
            openssl.arg(path("key.der")).arg("-in").arg(path("data")).arg("-sigfile").arg(path("signature"));
            openssl.output().expect("openssl is installed").status.success()
        };
        assert!(verify(&sign_data(b"what is signed", &secret).unwrap()));
        assert!(!verify(&sign_data(b"something else", &secret).unwrap()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
