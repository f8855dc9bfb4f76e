//! Ed25519 signatures.

use crate::failure::Failure;
use crate::manifest;
use crate::terms::{Bytes, account, twins};
use chunker::signing::{PublicKey, SecretKey, Signature, SigningError};
use rustler::{Binary, Env};
use zeroize::Zeroizing;

/// Signing or verifying little takes about 100 µs, 10 % of a timeslice.
const PERCENT: usize = 10;

type Signed = Result<Bytes<[u8; 64]>, Failure>;

/// Returns the 64 bytes of a new secret key; its second half is the public key.
#[rustler::nif]
fn generate_key() -> Result<Bytes<Zeroizing<Vec<u8>>>, Failure> {
    Ok(Bytes(Zeroizing::new(SecretKey::generate()?.to_keypair_bytes().to_vec())))
}

/// Returns the public key of a secret key.
#[rustler::nif]
fn public_key(secret_key: Binary<'_>) -> Result<Bytes<[u8; 32]>, Failure> {
    Ok(Bytes(secret_key_of(secret_key)?.public_key().to_bytes()))
}

twins! {
    /// Returns the signature of `data`.
    sign_normal, sign_dirty(env, data: Binary<'a>, secret_key: Binary<'a>) -> Signed {
        account(env, PERCENT, 1);
        Ok(Bytes(secret_key_of(secret_key)?.sign(data.as_slice()).to_bytes()))
    }
}

twins! {
    /// Checks that `signature` is a signature of `data`.
    verify_normal, verify_dirty(
        env,
        data: Binary<'a>,
        signature: Binary<'a>,
        public_key: Binary<'a>
    ) -> Result<bool, Failure> {
        account(env, PERCENT, 1);
        public_key_of(public_key)?.verify(data.as_slice(), &Signature::from_bytes(signature.as_slice())?)?;
        Ok(true)
    }
}

/// Returns the signature of the manifest with these canonical bytes.
#[rustler::nif(schedule = "DirtyCpu")]
fn sign_manifest_dirty(canonical: Binary<'_>, secret_key: Binary<'_>) -> Signed {
    let manifest = manifest::parse(canonical, usize::MAX)?;
    Ok(Bytes(secret_key_of(secret_key)?.sign_manifest(&manifest).to_bytes()))
}

/// Checks that `signature` is a signature of the manifest with these canonical bytes.
#[rustler::nif(schedule = "DirtyCpu")]
fn verify_manifest_dirty(
    canonical: Binary<'_>,
    signature: Binary<'_>,
    public_key: Binary<'_>,
) -> Result<bool, Failure> {
    let manifest = manifest::parse(canonical, usize::MAX)?;
    let signature = Signature::from_bytes(signature.as_slice())?;
    public_key_of(public_key)?.verify_manifest(&manifest, &signature)?;
    Ok(true)
}

/// Returns the key for a seed of 32 bytes, or for 64 bytes: the seed and the public key.
pub(crate) fn secret_key_of(key: Binary<'_>) -> Result<SecretKey, SigningError> {
    let key = key.as_slice();
    if let Ok(seed) = key.try_into() {
        return Ok(SecretKey::from_seed(seed));
    }
    SecretKey::from_keypair_bytes(key.try_into().map_err(|_| SigningError::InvalidSecretKey)?)
}

fn public_key_of(key: Binary<'_>) -> Result<PublicKey, SigningError> {
    PublicKey::from_bytes(key.as_slice().try_into().map_err(|_| SigningError::InvalidPublicKey)?)
}
