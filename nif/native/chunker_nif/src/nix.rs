//! Nix's base32, hashes, narinfo files and signatures.

use crate::failure::Failure;
use crate::signing::secret_key_of;
use crate::terms::{Bytes, account, twins};
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{NarInfo, NarInfoFile, NixHashFormat, NixPublicKey, NixSecretKey};
use rustler::{Binary, Decoder, Encoder as _, Env, NifResult, Term};
use zeroize::Zeroizing;

/// Bytes of base32 in 1 % of a timeslice, 10 µs.
const BYTES_PER_PERCENT: usize = 1024;

twins! {
    /// Returns `data` in Nix's base32.
    nix_base32_encode_normal, nix_base32_encode_dirty(env, data: Binary<'a>) -> String {
        account(env, data.len(), BYTES_PER_PERCENT);
        nix_base32_encode(data.as_slice())
    }
}

twins! {
    /// Returns the bytes of a text in Nix's base32.
    nix_base32_decode_normal, nix_base32_decode_dirty(
        env,
        text: &'a str
    ) -> Result<Bytes<Vec<u8>>, Failure> {
        account(env, text.len(), BYTES_PER_PERCENT);
        Ok(Bytes(nix_base32_decode(text)?))
    }
}

/// The fields of a narinfo that are signed: store path, NAR digest, NAR size, references.
struct Fields<'a>(&'a str, [u8; 32], u64, Vec<&'a str>);

impl<'a> Decoder<'a> for Fields<'a> {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let (store_path, hash, size, references): (&str, Binary<'a>, u64, crate::terms::Items<'a>) =
            term.decode()?;
        let hash = hash.as_slice().try_into().map_err(|_| rustler::Error::BadArg)?;
        let references = references.0.into_iter().map(Term::decode).collect::<NifResult<_>>()?;
        Ok(Self(store_path, hash, size, references))
    }
}

impl Fields<'_> {
    fn narinfo(self) -> Result<NarInfo, Failure> {
        Ok(NarInfo::new(self.0, self.1, self.2, self.3)?)
    }
}

/// Returns the text that is signed.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_fingerprint_dirty(fields: Fields<'_>) -> Result<String, Failure> {
    Ok(fields.narinfo()?.to_string())
}

/// Returns the value of a narinfo's line `Sig:`, made with the content of a key file.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_sign_dirty(fields: Fields<'_>, secret_key: &str) -> Result<String, Failure> {
    Ok(NixSecretKey::parse(secret_key)?.sign(&fields.narinfo()?))
}

/// Checks the value of a narinfo's line `Sig:`.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_verify_dirty(fields: Fields<'_>, signature: &str, public_key: &str) -> Result<bool, Failure> {
    NixPublicKey::parse(public_key)?.verify(&fields.narinfo()?, signature)?;
    Ok(true)
}

/// The fields of a narinfo file that are not signed: URL, compression, hash and size of the file there; and
/// deriver, signatures, content address, fields of other names.
type Unsigned<'a> = (
    (&'a str, &'a str, Option<Binary<'a>>, Option<u64>),
    (Option<&'a str>, Vec<&'a str>, Option<&'a str>, Vec<(&'a str, &'a str)>),
);

/// Returns the signed and the other fields of a narinfo file, in the order of [`Fields`] and [`Unsigned`].
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_parse_narinfo_dirty<'a>(env: Env<'a>, text: &str) -> Result<(Term<'a>, Term<'a>), Failure> {
    let file = NarInfoFile::parse(text)?;
    let narinfo = file.narinfo;
    let signed =
        (narinfo.store_path(), Bytes(narinfo.nar_hash()), narinfo.nar_size(), narinfo.references().to_vec());
    let file_hash = file.file_hash.map(Bytes);
    let others = (
        (file.url, file.compression, file_hash, file.file_size),
        (file.deriver, file.signatures, file.ca, file.other),
    );
    Ok((signed.encode(env), others.encode(env)))
}

/// Returns the text of a narinfo file.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_format_narinfo_dirty(fields: Fields<'_>, others: Unsigned<'_>) -> Result<String, Failure> {
    let ((url, compression, file_hash, file_size), (deriver, signatures, ca, other)) = others;
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let mut file = NarInfoFile::new(fields.narinfo()?, url);
    file.compression = compression.to_owned();
    file.file_hash = file_hash.map(|hash| digest_of(&hash)).transpose()?;
    file.file_size = file_size;
    file.deriver = deriver.map(str::to_owned);
    file.signatures = owned(signatures);
    file.ca = ca.map(str::to_owned);
    file.other = other.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(file.to_text()?)
}

fn digest_of(bytes: &Binary<'_>) -> Result<[u8; 32], Failure> {
    bytes.as_slice().try_into().map_err(|_| Failure::ARGUMENT)
}

/// Returns a SHA-256 digest as Nix writes it.
#[rustler::nif]
fn nix_hash_encode(digest: Binary<'_>, format: Format) -> Result<String, Failure> {
    Ok(chunker::nix::nix_hash_encode(&digest_of(&digest)?, format.0))
}

/// Returns the SHA-256 digest in one of Nix's notations.
#[rustler::nif]
fn nix_hash_decode(text: &str) -> Result<Bytes<[u8; 32]>, Failure> {
    Ok(Bytes(chunker::nix::nix_hash_decode(text)?))
}

/// The name of a format; another value raises `ArgumentError`.
struct Format(NixHashFormat);

impl<'a> Decoder<'a> for Format {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        match term.atom_to_string()?.as_str() {
            "base32" => Ok(Self(NixHashFormat::Base32)),
            "base16" => Ok(Self(NixHashFormat::Base16)),
            "sri" => Ok(Self(NixHashFormat::Sri)),
            _ => Err(rustler::Error::BadArg),
        }
    }
}

/// Returns the content of a key file: a name and a secret key.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_secret_key_dirty(name: &str, secret_key: Binary<'_>) -> Result<Bytes<Zeroizing<Vec<u8>>>, Failure> {
    let text = NixSecretKey::new(name, secret_key_of(secret_key)?)?.to_text();
    Ok(Bytes(Zeroizing::new(text.as_bytes().to_vec())))
}

/// Returns the entry of `trusted-public-keys` for the key of a file's content.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_public_key_dirty(secret_key: &str) -> Result<String, Failure> {
    Ok(NixSecretKey::parse(secret_key)?.public_key().to_string())
}

/// Returns the name of the key of an entry.
#[rustler::nif(schedule = "DirtyCpu")]
fn nix_key_name_dirty(public_key: &str) -> Result<String, Failure> {
    Ok(NixPublicKey::parse(public_key)?.name().into())
}
