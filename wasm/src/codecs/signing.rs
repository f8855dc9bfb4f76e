//! Ed25519 signatures. Keys and signatures are bytes or base64 texts.

use crate::bytes;
use crate::failure::Failure;
use chunker::manifest::Manifest;
use chunker::signing::{PublicKey, SecretKey, Signature, SigningError};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

/// Returns the 64 bytes of a new secret key; its second half is the public key.
#[wasm_bindgen(js_name = generateKey)]
pub fn generate_key() -> Result<Uint8Array, Failure> {
    Ok(Uint8Array::from(SecretKey::generate()?.to_keypair_bytes().as_slice()))
}

/// Returns the public key of a secret key.
#[wasm_bindgen(js_name = publicKeyOf)]
pub fn public_key_of(secret_key: &JsValue) -> Result<Uint8Array, Failure> {
    Ok(Uint8Array::from(secret_key_of(secret_key)?.public_key().to_bytes().as_slice()))
}

/// Returns the signature of `data`.
#[wasm_bindgen]
pub fn sign(data: &Uint8Array, secret_key: &JsValue) -> Result<Uint8Array, Failure> {
    let signature = secret_key_of(secret_key)?.sign(&bytes::copied(data)?);
    Ok(Uint8Array::from(signature.to_bytes().as_slice()))
}

/// Checks that `signature` is one of `data`.
#[wasm_bindgen]
pub fn verify(data: &Uint8Array, signature: &JsValue, public_key: &JsValue) -> Result<(), Failure> {
    let (key, signature) = (public_key_from(public_key)?, signature_of(signature)?);
    Ok(key.verify(&bytes::copied(data)?, &signature)?)
}

/// Returns the signature of the manifest with these canonical bytes.
#[wasm_bindgen(js_name = signManifest)]
pub fn sign_manifest(manifest: &Uint8Array, secret_key: &JsValue) -> Result<Uint8Array, Failure> {
    let signature = secret_key_of(secret_key)?.sign_manifest(&manifest_of(manifest)?);
    Ok(Uint8Array::from(signature.to_bytes().as_slice()))
}

/// Checks that `signature` is one of the manifest with these canonical bytes.
#[wasm_bindgen(js_name = verifyManifest)]
pub fn verify_manifest(
    manifest: &Uint8Array,
    signature: &JsValue,
    public_key: &JsValue,
) -> Result<(), Failure> {
    let (key, signature) = (public_key_from(public_key)?, signature_of(signature)?);
    Ok(key.verify_manifest(&manifest_of(manifest)?, &signature)?)
}

/// A manifest that JavaScript holds already is as long as it is.
fn manifest_of(canonical: &Uint8Array) -> Result<Manifest, Failure> {
    Ok(Manifest::parse(&bytes::copied(canonical)?, usize::MAX)?)
}

/// Returns the key of a base64 text, of the 64 bytes that this stands for, or of a seed of 32 bytes.
pub(super) fn secret_key_of(value: &JsValue) -> Result<SecretKey, Failure> {
    if let Some(text) = value.as_string().map(Zeroizing::new) {
        return Ok(SecretKey::from_base64(&text)?);
    }
    let bytes = Zeroizing::new(bytes::copied(&Uint8Array::from(value.clone()))?);
    if let Ok(seed) = bytes.as_slice().try_into() {
        return Ok(SecretKey::from_seed(seed));
    }
    let pair = bytes.as_slice().try_into().map_err(|_| SigningError::InvalidSecretKey)?;
    Ok(SecretKey::from_keypair_bytes(pair)?)
}

fn public_key_from(value: &JsValue) -> Result<PublicKey, Failure> {
    if let Some(text) = value.as_string() {
        return Ok(PublicKey::from_base64(&text)?);
    }
    let bytes = bytes::copied(&Uint8Array::from(value.clone()))?;
    let bytes = bytes.as_slice().try_into().map_err(|_| SigningError::InvalidPublicKey)?;
    Ok(PublicKey::from_bytes(bytes)?)
}

fn signature_of(value: &JsValue) -> Result<Signature, Failure> {
    if let Some(text) = value.as_string() {
        return Ok(Signature::from_base64(&text)?);
    }
    Ok(Signature::from_bytes(&bytes::copied(&Uint8Array::from(value.clone()))?)?)
}
