//! Ed25519 signatures. Keys and signatures are bytes or base64 texts.

use crate::bytes;
use crate::failure::Failure;
use chunker::manifest::Manifest;
use chunker::signing::{PublicKey, SecretKey, Signature, SigningError};
use napi::Env;
use napi::bindgen_prelude::{Either, Uint8ArraySlice};
use napi_derive::napi;
use zeroize::Zeroizing;

/// A key or a signature.
pub(crate) type Binary<'a> = Either<String, Uint8ArraySlice<'a>>;

/// Returns the 64 bytes of a new secret key; its second half is the public key.
#[napi(catch_unwind)]
pub fn generate_key(env: &Env) -> Result<Uint8ArraySlice<'_>, Failure> {
    bytes::copied(env, SecretKey::generate()?.to_keypair_bytes().as_slice())
}

/// Returns the public key of a secret key.
#[napi(catch_unwind)]
pub fn public_key_of<'env>(env: &'env Env, secret_key: Binary<'_>) -> Result<Uint8ArraySlice<'env>, Failure> {
    bytes::copied(env, &secret_key_of(secret_key)?.public_key().to_bytes())
}

/// Returns the signature of `data`.
#[napi(catch_unwind)]
pub fn sign<'env>(
    env: &'env Env,
    data: &[u8],
    secret_key: Binary<'_>,
) -> Result<Uint8ArraySlice<'env>, Failure> {
    bytes::copied(env, &secret_key_of(secret_key)?.sign(data).to_bytes())
}

/// Checks that `signature` is one of `data`.
#[napi(catch_unwind)]
pub fn verify(data: &[u8], signature: Binary<'_>, public_key: Binary<'_>) -> Result<(), Failure> {
    let (key, signature) = (public_key_from(public_key)?, signature_of(signature)?);
    Ok(key.verify(data, &signature)?)
}

/// Returns the signature of the manifest with these canonical bytes.
#[napi(catch_unwind)]
pub fn sign_manifest<'env>(
    env: &'env Env,
    manifest: &[u8],
    secret_key: Binary<'_>,
) -> Result<Uint8ArraySlice<'env>, Failure> {
    bytes::copied(env, &secret_key_of(secret_key)?.sign_manifest(&manifest_of(manifest)?).to_bytes())
}

/// Checks that `signature` is one of the manifest with these canonical bytes.
#[napi(catch_unwind)]
pub fn verify_manifest(
    manifest: &[u8],
    signature: Binary<'_>,
    public_key: Binary<'_>,
) -> Result<(), Failure> {
    let (key, signature) = (public_key_from(public_key)?, signature_of(signature)?);
    Ok(key.verify_manifest(&manifest_of(manifest)?, &signature)?)
}

/// A manifest that JavaScript holds already is as long as it is.
fn manifest_of(canonical: &[u8]) -> Result<Manifest, Failure> {
    Ok(Manifest::parse(canonical, usize::MAX)?)
}

/// Returns the key of a base64 text, of the 64 bytes that this stands for, or of a seed of 32 bytes.
pub(super) fn secret_key_of(value: Binary<'_>) -> Result<SecretKey, Failure> {
    let bytes = match value {
        Either::A(text) => return Ok(SecretKey::from_base64(&Zeroizing::new(text))?),
        Either::B(bytes) => Zeroizing::new(bytes.to_vec()),
    };
    if let Ok(seed) = bytes.as_slice().try_into() {
        return Ok(SecretKey::from_seed(seed));
    }
    let pair = bytes.as_slice().try_into().map_err(|_| SigningError::InvalidSecretKey)?;
    Ok(SecretKey::from_keypair_bytes(pair)?)
}

fn public_key_from(value: Binary<'_>) -> Result<PublicKey, Failure> {
    let bytes = match value {
        Either::A(text) => return Ok(PublicKey::from_base64(&text)?),
        Either::B(bytes) => bytes,
    };
    let bytes = (*bytes).try_into().map_err(|_| SigningError::InvalidPublicKey)?;
    Ok(PublicKey::from_bytes(bytes)?)
}

fn signature_of(value: Binary<'_>) -> Result<Signature, Failure> {
    Ok(match value {
        Either::A(text) => Signature::from_base64(&text)?,
        Either::B(bytes) => Signature::from_bytes(&bytes)?,
    })
}
