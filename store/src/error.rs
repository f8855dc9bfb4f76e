//! Errors of a store.

use crate::chunk::{ChunkId, Root};
use crate::format::FormatError;
use crate::host::TaskLost;
use crate::name::TimeName;
use crate::objects::ObjectError;
use crate::pack::encoding::ChunkError;
use crate::pack::format::PackError;
use chunker::hashing::HashAlgorithm;
use chunker::manifest::ManifestError;
use std::io;

/// Why an operation of a store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An object could not be written, read, listed or deleted.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// There is no store at the address, or one of another version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A pack is damaged.
    #[error("pack {pack} is damaged")]
    Pack {
        /// The pack's name.
        pack: TimeName,
        /// What is wrong with it.
        source: PackError,
    },
    /// Every copy of a chunk is damaged, or an added chunk does not match its digest or length.
    #[error("a chunk failed verification")]
    Chunk(#[from] ChunkError),
    /// The store does not have a chunk that a file needs.
    #[error("chunk {chunk} is not in the store")]
    ChunkNotFound {
        /// The chunk.
        chunk: ChunkId,
    },
    /// The store does not have this file.
    #[error("file {root} is not in the store")]
    RootNotFound {
        /// The file's name.
        root: Root,
    },
    /// A manifest is damaged.
    #[error("manifest {name} is damaged")]
    Manifest {
        /// The object's name.
        name: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A manifest's digest is not the one in its name.
    #[error("manifest {name} does not match its digest")]
    ManifestDigest {
        /// The object's name.
        name: String,
    },
    /// The digests of a manifest's chunks are of another algorithm than its name.
    #[error("manifest {name} has {algorithm} digests, contrary to its name")]
    ManifestAlgorithm {
        /// The object's name.
        name: String,
        /// The algorithm of its chunks' digests.
        algorithm: HashAlgorithm,
    },
    /// A manifest is longer than the store accepts.
    #[error("manifest is {length} bytes long, above the limit of {limit}")]
    ManifestTooLarge {
        /// Length of the manifest in bytes.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A list of packs to delete is damaged. Any pack may be on it, so nothing can be committed or
    /// collected.
    ///
    /// To recover, stop every process that writes to the store, remove the object, and
    /// [repair](crate::CheckOptions::repair) the store.
    #[error(
        "{name}, a list of packs to delete, is damaged: nothing can be committed or collected until it is removed"
    )]
    Doom {
        /// The object's name.
        name: String,
    },
    /// A range starts past the end of the file, or after its own end.
    #[error("range {start}..{end} is outside the file's {length} bytes")]
    Range {
        /// First byte asked for.
        start: u64,
        /// The end of the range: one past the last byte asked for.
        end: u64,
        /// Length of the file in bytes.
        length: u64,
    },
    /// The store kept changing while a file was being committed.
    #[error("the store changed during each of {attempts} attempts to commit the file")]
    Contended {
        /// Number of attempts.
        attempts: u32,
    },
    /// An option has an invalid value.
    #[error("{option} is {value} (expected {expected})")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        expected: &'static str,
    },
    /// The store does not support this hash algorithm.
    #[error("the store does not support {algorithm} chunks")]
    UnknownAlgorithm {
        /// The algorithm.
        algorithm: HashAlgorithm,
    },
    /// The operating system could not provide random numbers.
    #[error("the system's random number generator failed")]
    Random(#[source] io::Error),
    /// A background task of this store ended without a result.
    #[error(transparent)]
    TaskLost(#[from] TaskLost),
    /// The store was opened outside a `tokio` runtime, or the threads of one could not be started.
    #[error("no tokio runtime is running: open the store inside one, or use chunker_store::blocking")]
    NoRuntime,
    /// The pack writer failed earlier, and returned that error then.
    #[error("the pack writer already failed")]
    WriterFailed,
}

impl StoreError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Object(error) => error.code(),
            Self::Format(error) => error.code(),
            Self::Pack { source, .. } => source.code(),
            Self::Chunk(error) => error.code(),
            Self::ChunkNotFound { .. } => "chunk_not_found",
            Self::RootNotFound { .. } => "root_not_found",
            Self::Manifest { source, .. } => source.code(),
            Self::ManifestDigest { .. } => "manifest_digest_mismatch",
            Self::ManifestAlgorithm { .. } => "manifest_algorithm_mismatch",
            Self::ManifestTooLarge { .. } => "manifest_too_large",
            Self::Doom { .. } => "invalid_doom",
            Self::Range { .. } => "range_not_satisfiable",
            Self::Contended { .. } => "commit_contended",
            Self::InvalidOption { .. } => "invalid_store_option",
            Self::UnknownAlgorithm { .. } => "unknown_hash_algorithm",
            Self::Random(_) => "randomness_unavailable",
            Self::TaskLost(_) => "task_lost",
            Self::NoRuntime => "no_runtime",
            Self::WriterFailed => "pack_writer_failed",
        }
    }
}

/// Why a file was not committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The store lacks chunks of the file. Add them, then commit again.
    #[error("the store lacks {} of the file's chunks", chunks.len())]
    MissingChunks {
        /// The chunks, each once, in the order of the file.
        chunks: Vec<ChunkId>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// The stable, machine-readable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingChunks { .. } => "chunks_missing",
            Self::Store(error) => error.code(),
        }
    }
}

impl From<ObjectError> for CommitError {
    fn from(error: ObjectError) -> Self {
        Self::Store(error.into())
    }
}
