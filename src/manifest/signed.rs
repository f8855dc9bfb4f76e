//! Signatures of manifests.

use super::Manifest;
use crate::signing::{PublicKey, SecretKey, Signature, SigningError};
use alloc::vec::Vec;

/// Prefix of the signed bytes of a manifest, so that signing its plain bytes does not sign the manifest.
const MANIFEST_DOMAIN: &[u8] = b"chunker manifest signature v1\0";

impl SecretKey {
    /// Signs a manifest, and thereby the input that it describes.
    #[must_use]
    pub fn sign_manifest(&self, manifest: &Manifest) -> Signature {
        self.sign(&manifest_message(manifest))
    }
}

impl PublicKey {
    /// Verifies a signature of `manifest` from [`SecretKey::sign_manifest`].
    ///
    /// # Errors
    /// [`SigningError::VerificationFailed`].
    pub fn verify_manifest(&self, manifest: &Manifest, signature: &Signature) -> Result<(), SigningError> {
        self.verify(&manifest_message(manifest), signature)
    }
}

fn manifest_message(manifest: &Manifest) -> Vec<u8> {
    [MANIFEST_DOMAIN, &manifest.to_bytes()].concat()
}
