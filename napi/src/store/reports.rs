//! What a store reports, as objects of JavaScript.

use crate::number::exact;
use chunker_store::{CheckReport, CollectReport, DamagedObject, DamagedPack, FileEntry, HurtFile};
use napi_derive::napi;
use std::error::Error;
use std::time::SystemTime;

/// How much is in a store: see [`chunker_store::Usage`].
#[napi(object, object_from_js = false)]
pub struct Usage {
    /// Number of files.
    pub files: f64,
    /// Number of packs, doomed ones included.
    pub packs: f64,
    /// Number of packs that a collection will delete.
    pub doomed_packs: f64,
    /// Number of chunks in all packs.
    pub chunks: f64,
    /// Bytes of all packs.
    pub bytes: f64,
}

impl From<chunker_store::Usage> for Usage {
    fn from(usage: chunker_store::Usage) -> Self {
        Self {
            files: exact(usage.files),
            packs: exact(usage.packs),
            doomed_packs: exact(usage.doomed_packs),
            chunks: exact(usage.chunks),
            bytes: exact(usage.bytes),
        }
    }
}

/// A file in a list.
#[napi(object, object_from_js = false)]
pub struct StoredFile {
    /// Its name.
    pub root: String,
    /// Its length in bytes, unless its manifest is damaged.
    pub length: Option<f64>,
    /// When it was last committed, in milliseconds since 1970.
    pub committed: f64,
}

impl From<FileEntry> for StoredFile {
    fn from(file: FileEntry) -> Self {
        let since = file.committed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            root: file.root.to_string(),
            length: file.length.map(exact),
            committed: exact(u64::try_from(since.as_millis()).unwrap_or_default()),
        }
    }
}

/// What a collection has done: see [`CollectReport`].
#[napi(object, object_from_js = false)]
pub struct Collection {
    /// Files in the store.
    pub files: f64,
    /// Packs when it began.
    pub packs: f64,
    /// Bytes of these packs.
    pub bytes: f64,
    /// Bytes of them that files need.
    pub live_bytes: f64,
    /// Packs that were chosen to be deleted.
    pub doomed_packs: f64,
    /// Packs that were deleted.
    pub deleted_packs: f64,
    /// Bytes of the packs that were deleted.
    pub deleted_bytes: f64,
    /// Live chunks that were copied out of them.
    pub copied_chunks: f64,
    /// Bytes of these chunks as they are stored.
    pub copied_bytes: f64,
    /// Packs that could not be deleted yet.
    pub kept_packs: Vec<String>,
    /// Commits that never ended.
    pub expired_commits: f64,
    /// Temporary files that died with their writers.
    pub removed_temporaries: f64,
}

impl From<CollectReport> for Collection {
    fn from(report: CollectReport) -> Self {
        Self {
            files: exact(report.files),
            packs: exact(report.packs),
            bytes: exact(report.bytes),
            live_bytes: exact(report.live_bytes),
            doomed_packs: exact(report.doomed_packs),
            deleted_packs: exact(report.deleted_packs),
            deleted_bytes: exact(report.deleted_bytes),
            copied_chunks: exact(report.copied_chunks),
            copied_bytes: exact(report.copied_bytes),
            kept_packs: report.kept_packs.iter().map(ToString::to_string).collect(),
            expired_commits: exact(report.expired_commits),
            removed_temporaries: exact(report.removed_temporaries),
        }
    }
}

/// What a check has found: see [`CheckReport`].
#[napi(object, object_from_js = false)]
pub struct Check {
    /// Whether every file can be read and no pack is damaged.
    pub sound: bool,
    /// Packs that were checked.
    pub packs: f64,
    /// Chunks in these packs.
    pub chunks: f64,
    /// Bytes of these packs.
    pub bytes: f64,
    /// Files that were checked.
    pub files: f64,
    /// Packs that are damaged.
    pub damaged_packs: Vec<Damage>,
    /// Files that cannot be read whole.
    pub hurt_files: Vec<Damage>,
    /// Objects that are damaged, or that a store does not have.
    pub strange_objects: Vec<Damage>,
    /// Chunks that were copied out of damaged packs.
    pub rescued_chunks: f64,
    /// Damaged packs that were deleted.
    pub deleted_packs: f64,
}

/// Something that is damaged.
#[napi(object, object_from_js = false)]
pub struct Damage {
    /// Its name.
    pub name: String,
    /// What is wrong with it as a whole.
    pub error: Option<String>,
    /// Chunks that are damaged or have no good copy left.
    pub chunks: Vec<String>,
}

impl Damage {
    fn new(name: &impl ToString, error: Option<&dyn Error>, chunks: &[impl ToString]) -> Self {
        let chunks = chunks.iter().map(ToString::to_string).collect();
        Self { name: name.to_string(), error: error.map(ToString::to_string), chunks }
    }
}

impl From<CheckReport> for Check {
    fn from(report: CheckReport) -> Self {
        let pack = |DamagedPack { pack, error, chunks, .. }: &DamagedPack| {
            Damage::new(pack, error.as_ref().map(|error| error as _), chunks)
        };
        let file = |HurtFile { root, error, chunks, .. }: &HurtFile| {
            Damage::new(root, error.as_ref().map(|error| error as _), chunks)
        };
        let object = |name: &String| {
            let why = report.damaged_objects.iter().find(|object| object.name == *name);
            Damage::new(name, why.map(|DamagedObject { error, .. }| error as _), &[] as &[String])
        };
        Self {
            sound: report.is_sound(),
            packs: exact(report.packs),
            chunks: exact(report.chunks),
            bytes: exact(report.bytes),
            files: exact(report.files),
            damaged_packs: report.damaged_packs.iter().map(pack).collect(),
            hurt_files: report.hurt_files.iter().map(file).collect(),
            strange_objects: report.strange_objects.iter().map(object).collect(),
            rescued_chunks: exact(report.rescued_chunks),
            deleted_packs: exact(report.deleted_packs),
        }
    }
}
