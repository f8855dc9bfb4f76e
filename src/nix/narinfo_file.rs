//! Whole narinfo files.

use super::error::InvalidNarInfo;
use super::hash::{NixHashFormat, nix_hash_decode, nix_hash_encode};
use super::keys::NixSecretKey;
use super::narinfo::NarInfo;
use super::store_path::checked_path;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What Nix takes a file without the field to mean.
const DEFAULT_COMPRESSION: &str = "bzip2";
/// What Nix writes when it does not know the deriver.
const UNKNOWN_DERIVER: &str = "unknown-deriver";

/// A narinfo file: a binary cache's description of a store path.
///
/// Paths are full paths here, even where the file has base names.
///
/// ```
/// use chunker::nix::NarInfoFile;
///
/// let text = "StorePath: /nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-hello
/// URL: nar/hello.nar.zst
/// Compression: zstd
/// NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73
/// NarSize: 120
/// References: 9krlzvny65gdc8s7kpb6lkx8cd02c25b-hello
/// ";
/// let file = NarInfoFile::parse(text)?;
/// assert_eq!(file.narinfo.references(), [file.narinfo.store_path()]);
/// assert_eq!(file.to_text()?, text);
/// # Ok::<(), chunker::nix::InvalidNarInfo>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfoFile {
    /// The signed part: `StorePath`, `NarHash`, `NarSize` and `References`.
    pub narinfo: NarInfo,
    /// `URL`: the location of the NAR, relative to the cache.
    pub url: String,
    /// `Compression` of the file at the URL, such as `none`, `xz` or `zstd`.
    pub compression: String,
    /// `FileHash`: the SHA-256 digest of the file at the URL.
    pub file_hash: Option<[u8; 32]>,
    /// `FileSize`: the size in bytes of the file at the URL.
    pub file_size: Option<u64>,
    /// `Deriver`: the full path of the derivation that was built.
    pub deriver: Option<String>,
    /// Every `Sig`, in order.
    pub signatures: Vec<String>,
    /// `CA`: how the path is content-addressed.
    pub ca: Option<String>,
    /// All other fields, in order.
    pub other: Vec<(String, String)>,
}

impl NarInfoFile {
    /// Returns the file of a narinfo with an uncompressed NAR, and no other fields.
    #[must_use]
    pub fn new(narinfo: NarInfo, url: &str) -> Self {
        Self {
            narinfo,
            url: url.to_owned(),
            compression: "none".to_owned(),
            file_hash: None,
            file_size: None,
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            other: Vec::new(),
        }
    }

    /// Reads a file.
    ///
    /// The fields may be in any order; `Compression` is `bzip2` when it is missing, as in Nix. Hashes
    /// may have any form that [`nix_hash_decode`] reads.
    ///
    /// # Errors
    /// [`InvalidNarInfo`], for the first field that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidNarInfo> {
        let mut fields = Fields::default();
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            let field = line.strip_suffix('\n').and_then(|line| line.split_once(": "));
            let field = field.filter(|(name, _)| is_name(name));
            let (name, value) = field.ok_or(InvalidNarInfo::Line { line: number })?;
            fields.take(name, value)?;
        }
        fields.file()
    }

    /// Returns the text of the file, with the fields in Nix's order.
    ///
    /// # Errors
    /// [`InvalidNarInfo`] if a field would not be read back unchanged.
    pub fn to_text(&self) -> Result<String, InvalidNarInfo> {
        let store = self.store();
        let mut lines = Lines::default();
        lines.add("StorePath", self.narinfo.store_path())?;
        lines.add_some("URL", &self.url)?;
        lines.add_some("Compression", &self.compression)?;
        if let Some(hash) = &self.file_hash {
            lines.add("FileHash", &nix_hash_encode(hash, NixHashFormat::Base32))?;
        }
        if let Some(size) = self.file_size {
            lines.add("FileSize", &size.to_string())?;
        }
        lines.add("NarHash", &nix_hash_encode(self.narinfo.nar_hash(), NixHashFormat::Base32))?;
        lines.add("NarSize", &self.narinfo.nar_size().to_string())?;
        let references = self.narinfo.references().iter().map(|path| base_name("References", path, store));
        lines.add("References", &references.collect::<Result<Vec<_>, _>>()?.join(" "))?;
        if let Some(deriver) = &self.deriver {
            lines.add("Deriver", base_name("Deriver", &checked_path(deriver)?, store)?)?;
        }
        for signature in &self.signatures {
            lines.add("Sig", signature)?;
        }
        if let Some(ca) = &self.ca {
            lines.add_some("CA", ca)?;
        }
        for (name, value) in &self.other {
            lines.add_other(name, value)?;
        }
        Ok(lines.0)
    }

    /// Signs the narinfo, unless it already has this signature.
    pub fn sign(&mut self, key: &NixSecretKey) {
        let signature = key.sign(&self.narinfo);
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
    }

    /// The folder of the store.
    fn store(&self) -> &str {
        self.narinfo.store_path().rsplit_once('/').map_or("", |(store, _)| store)
    }
}

/// Returns what Nix writes of a path: the name without the store's folder.
fn base_name<'a>(field: &'static str, path: &'a str, store: &str) -> Result<&'a str, InvalidNarInfo> {
    let name = path.strip_prefix(store).and_then(|name| name.strip_prefix('/'));
    name.filter(|name| !name.contains('/')).ok_or_else(|| refused(field, path))
}

fn refused(field: &str, value: &str) -> InvalidNarInfo {
    InvalidNarInfo::Value { field: field.to_owned(), value: value.to_owned() }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control())
}

/// The values of a file as they stand in it.
#[derive(Default)]
struct Fields<'a> {
    /// In the order of [`ONCE`].
    once: [Option<&'a str>; ONCE.len()],
    signatures: Vec<String>,
    other: Vec<(String, String)>,
}

/// The fields that a file has once.
const ONCE: [&str; 10] = [
    "StorePath",
    "URL",
    "Compression",
    "FileHash",
    "FileSize",
    "NarHash",
    "NarSize",
    "References",
    "Deriver",
    "CA",
];

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &'a str) -> Result<(), InvalidNarInfo> {
        if let Some(place) = ONCE.iter().position(|once| *once == name) {
            if self.once[place].replace(value).is_some() {
                return Err(InvalidNarInfo::Repeated { field: ONCE[place] });
            }
        } else if name == "Sig" {
            self.signatures.push(value.to_owned());
        } else {
            self.other.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    fn file(self) -> Result<NarInfoFile, InvalidNarInfo> {
        let [path, url, compression, file_hash, file_size, nar_hash, nar_size, references, deriver, ca] =
            self.once;
        let required = |value: Option<&'a str>, field| value.ok_or(InvalidNarInfo::Missing { field });
        let path = required(path, "StorePath")?;
        let url = required(url, "URL")?;
        let nar_hash = digest("NarHash", required(nar_hash, "NarHash")?)?;
        let nar_size = number("NarSize", required(nar_size, "NarSize")?)?;
        let store = path.rsplit_once('/').map_or("", |(store, _)| store);
        let full = |field: &str, name: &str| match name.contains('/') {
            false => Ok(format!("{store}/{name}")),
            true => Err(refused(field, name)),
        };
        let names = references.unwrap_or_default().split(' ').filter(|name| !name.is_empty());
        let references = names.map(|name| full("References", name)).collect::<Result<Vec<_>, _>>()?;
        let narinfo = NarInfo::new(path, nar_hash, nar_size, references)?;
        let deriver = deriver.filter(|name| *name != UNKNOWN_DERIVER);
        let deriver = deriver.map(|name| checked_path(&full("Deriver", name)?));
        Ok(NarInfoFile {
            narinfo,
            url: some("URL", url)?,
            compression: some("Compression", compression.unwrap_or(DEFAULT_COMPRESSION))?,
            file_hash: file_hash.map(|text| digest("FileHash", text)).transpose()?,
            file_size: file_size.map(|text| number("FileSize", text)).transpose()?,
            deriver: deriver.transpose()?,
            signatures: self.signatures,
            ca: ca.map(|value| some("CA", value)).transpose()?,
            other: self.other,
        })
    }
}

fn digest(field: &str, text: &str) -> Result<[u8; 32], InvalidNarInfo> {
    nix_hash_decode(text).map_err(|_| refused(field, text))
}

fn number(field: &str, text: &str) -> Result<u64, InvalidNarInfo> {
    let number = if text.starts_with('+') { None } else { text.parse().ok() };
    number.ok_or_else(|| refused(field, text))
}

fn some(field: &str, value: &str) -> Result<String, InvalidNarInfo> {
    if value.is_empty() { Err(refused(field, value)) } else { Ok(value.to_owned()) }
}

/// The text of a file.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) -> Result<(), InvalidNarInfo> {
        if value.contains('\n') {
            return Err(refused(name, value));
        }
        self.0.extend([name, ": ", value, "\n"]);
        Ok(())
    }

    fn add_some(&mut self, name: &str, value: &str) -> Result<(), InvalidNarInfo> {
        self.add(name, &some(name, value)?)
    }

    fn add_other(&mut self, name: &str, value: &str) -> Result<(), InvalidNarInfo> {
        if !is_name(name) || name == "Sig" || ONCE.contains(&name) {
            return Err(refused(name, value));
        }
        self.add(name, value)
    }
}
