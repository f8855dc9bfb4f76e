//! The command-line arguments. `--help` and the man page print these comments.

#![expect(clippy::doc_markdown, reason = "a terminal shows backticks as they are")]

use crate::failure::message;
use crate::manual;
use crate::output::Output;
use crate::roots::RootArgument;
use chunker::Profile;
use chunker::hashing::HashAlgorithm;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

/// Keeps files in a store that holds each chunk only once.
///
/// It cuts files at points that the content determines, so an edited copy shares most of its chunks with
/// the original. The store is a folder, or a bucket on S3, GCS or Azure; any number of processes and
/// machines can use it at the same time. A file's name in the store is its root, the digest of its list of
/// chunks: equal files stored with the same profile have equal roots. The store records no other names, so
/// keep the roots that `chunker put` prints.
#[derive(Debug, Parser)]
#[command(name = "chunker", version, after_long_help = manual::help(), after_help = "See `chunker --help` for more.")]
#[command(propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where help lists the options that every command has.
const GLOBAL: &str = "Global options";

#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The store: a folder, file://…, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    ///
    /// Default: the folder `chunker` in the platform's data folder. Credentials, region and endpoint of
    /// remote stores come from the usual environment variables (AWS_ACCESS_KEY_ID, …).
    #[arg(long, global = true, env = "CHUNKER_STORE", value_name = "URL", hide_env_values = true)]
    #[arg(help_heading = GLOBAL)]
    pub(crate) store: Option<String>,
    /// Print JSON, one document per line; errors too, on standard error
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Show no progress, and print only the result: `put` prints only roots
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

impl Global {
    pub(crate) const fn output(&self) -> Output {
        Output { json: self.json, quiet: self.quiet }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Put(Put),
    Get(Get),
    Ls(Ls),
    Rm(Rm),
    Gc(Gc),
    Check(Check),
    Stats(Stats),
    Serve(Serve),
    Cuts(Cuts),
    Dedup(Dedup),
    Completions(Completions),
    Man(Man),
}

/// Store files, and print their roots
///
/// Compresses and writes only the chunks that the store lacks. Each file is stored completely or not at
/// all; after an interruption, put the same file again: it skips what is already stored. If a file cannot
/// be read, the others are stored anyway, and the exit status is 1.
///
/// JSON: for each file {"file", "root", "size", "chunks", "new_chunks", "new_bytes"}, and finally {"files",
/// "size", "new_bytes", "stored_bytes", "seconds"}, where `stored_bytes` is the compressed size of the new
/// chunks. Sizes are in bytes.
#[derive(Args, Debug)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) cutting: Cutting,
    #[command(flatten)]
    pub(crate) compression: Compression,
    /// Files to store; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Restore a file, or a range of it
///
/// Verifies every byte before it writes it. The file of --output appears, or is replaced, only once it is
/// complete.
///
/// JSON, with --output: {"file", "root", "size", "reused_bytes"}.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The file's root, or at least its first 8 digits, if no other root starts with them
    #[arg(value_name = "ROOT")]
    pub(crate) root: RootArgument,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only bytes A to B, inclusive, counted from 0; `A-`: from A to the end; `-N`: the last N
    #[arg(long, value_name = "A-B", allow_hyphen_values = true, value_parser = ByteRange::parse)]
    pub(crate) range: Option<ByteRange>,
    /// Take chunks from OLDFILE, such as an older copy, and fetch only those it lacks
    #[arg(long, value_name = "OLDFILE", requires = "output", conflicts_with = "range")]
    pub(crate) reuse: Option<PathBuf>,
}

/// List the files of the store, oldest first
///
/// Prints each file's root, its size, and when it was stored. JSON: for each file {"root", "size",
/// "stored"}; `size` is null if the file's manifest is damaged.
#[derive(Args, Debug)]
pub(crate) struct Ls {}

/// Remove files from the store
///
/// To free their space, run `chunker gc`. JSON: for each file {"root", "removed"}.
#[derive(Args, Debug)]
pub(crate) struct Rm {
    /// Roots, or at least their first 8 digits, if no other root starts with them
    #[arg(required = true, value_name = "ROOT")]
    pub(crate) roots: Vec<RootArgument>,
}

/// Delete chunks that no file needs
///
/// Safe at any time, even while others use the store. If a damaged pack may have the only copy of a chunk
/// that a file needs, gc keeps it and names it on standard error. JSON: {"files", "packs", "bytes",
/// "live_bytes", "doomed_packs", "deleted_packs", "deleted_bytes", "copied_chunks", "copied_bytes",
/// "kept_packs", "expired_commits", "removed_temporaries"}.
#[derive(Args, Debug)]
pub(crate) struct Gc {
    /// Keep packs younger than this: a number with s, m, h or d. A put or an upload that takes longer may
    /// have to send chunks again
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = parse_duration)]
    pub(crate) min_age: Duration,
    /// Rewrite packs with at least this percentage of waste
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) max_waste: u8,
    /// Change nothing; report what gc would do
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Check that every file can be read
///
/// The exit status is 4 if there is damage, even if it was repaired. JSON: {"sound", "files", "packs",
/// "chunks", "bytes", "damaged_packs": [{"pack", "error", "chunks"}], "hurt_files": [{"root", "error",
/// "chunks"}], "strange_objects": [{"object", "error"}], "rescued_chunks", "deleted_packs"}. `hurt_files`
/// cannot be read completely; `strange_objects` are damaged, or do not belong in a store.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Read every chunk and check its digest and checksum, instead of only the lists of chunks
    #[arg(long)]
    pub(crate) read_data: bool,
    /// Copy the good chunks out of damaged packs and stop using these packs, so that storing the damaged
    /// files again repairs them
    #[arg(long)]
    pub(crate) repair: bool,
}

/// Print the size of the store
///
/// JSON: {"store", "files", "size", "chunks", "packs", "doomed_packs", "bytes"}; `size` is the size of all
/// files together, `bytes` the space that the store takes up. `doomed_packs` will soon be deleted.
#[derive(Args, Debug)]
pub(crate) struct Stats {}

/// How new chunks are compressed.
#[derive(Args, Debug)]
pub(crate) struct Compression {
    /// zstd level for new chunks, 1 (fast) to 22 (small); 0 stores them uncompressed
    #[arg(
        long = "compress",
        value_name = "LEVEL",
        default_value_t = 3,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..=22)
    )]
    pub(crate) level: i32,
}

/// Serve the store over HTTP
///
/// Clients such as the npm package transfer only the chunks that the receiving side lacks. `GET
/// /v1/files/ROOT` returns a file, whole or by range. docs/protocol.md specifies the protocol. For TLS, put
/// a proxy in front. GET /healthz says whether the server is alive; GET /metrics returns its counters, for
/// Prometheus. If the store does not exist yet, the server creates it.
///
/// On SIGINT or SIGTERM, it accepts no more connections, and gives running requests up to 30 seconds to
/// finish. It then exits with 0. If some are still running, it drops them, and exits as if killed by the
/// signal. The server never frees the space of deleted files: run `chunker gc` for that, at any time, even
/// while the server runs.
///
/// JSON, once it listens: {"url", "store"}.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Address or host name, and port to listen on; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7117", value_parser = parse_listen)]
    pub(crate) listen: SocketAddr,
    /// File with the token that clients must send as `Authorization: Bearer TOKEN`; default: CHUNKER_TOKEN
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Let anyone who can reach the server use it, unless CHUNKER_TOKEN is set; without this, any address but
    /// loopback needs a token
    #[arg(long, conflicts_with = "token_file")]
    pub(crate) open: bool,
    /// Let pages of this origin, such as https://example.org, use the server; `*` means any. Repeatable
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Let pages of the origins of --origin send cookies
    #[arg(long, requires = "origins")]
    pub(crate) credentials: bool,
    /// Refuse to store or delete anything
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Prefix of all paths of the protocol, such as /store
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) prefix: String,
    #[command(flatten)]
    pub(crate) compression: Compression,
    /// Largest body with chunks that a client may send; clients adapt to it
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = parse_size)]
    pub(crate) max_body: u64,
    /// Memory for all requests together; a request waits until enough is free
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub(crate) memory: u64,
    /// Largest number of open connections; further ones wait to be accepted
    #[arg(long, value_name = "NUMBER", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) max_connections: u32,
    /// Drop a client that sends or receives nothing for this long: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_patience)]
    pub(crate) patience: Duration,
}

/// Print where a file is cut, as JSON lines
///
/// Each line is {"offset", "length", "hash"}. Needs no store.
#[derive(Args, Debug)]
pub(crate) struct Cuts {
    #[command(flatten)]
    pub(crate) cutting: Cutting,
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Measure what deduplication would save
///
/// Needs no store. JSON: {"files", "bytes", "chunks", "unique_bytes", "unique_chunks", "seconds"}.
#[derive(Args, Debug)]
pub(crate) struct Dedup {
    #[command(flatten)]
    pub(crate) cutting: Cutting,
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Print completions for a shell
///
/// For bash: chunker completions bash > ~/.local/share/bash-completion/completions/chunker
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Print the man page
///
/// Try: chunker man | man -l -
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The page of this command, such as `put`
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

/// How a file is cut and hashed.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Cutting {
    /// Chunk sizes: large (1 MiB on average), medium (64 KiB), small (16 KiB), or a profile id
    ///
    /// Files share chunks only if they are stored with the same profile. Smaller chunks find more duplicates,
    /// but each chunk costs an entry in the index. A file can have at most 29 million chunks: 28 TiB with
    /// large, 1.7 TiB with medium, 450 GiB with small. The Rust, npm and Hex packages default to
    /// fastcdc-v2020/nc1/262144-1048576-4194304/sha256: to share chunks with them, use that.
    #[arg(long, value_name = "PROFILE", default_value = "medium", env = "CHUNKER_PROFILE")]
    #[arg(hide_env_values = true, value_parser = parse_profile)]
    profile: ProfileArgument,
    /// Hash algorithm of chunks: blake3 or sha256; default: blake3, or what the profile id says
    #[arg(long, value_name = "HASH", value_parser = |name: &str| name.parse::<HashAlgorithm>())]
    hash: Option<HashAlgorithm>,
}

#[derive(Clone, Copy, Debug)]
struct ProfileArgument(Profile);

impl Cutting {
    pub(crate) fn profile(&self) -> Profile {
        self.hash.map_or(self.profile.0, |hash| self.profile.0.hash(hash))
    }
}

/// Parses a profile. A name such as `medium` gets BLAKE3, which on one core is twice as fast as SHA-256,
/// even where the CPU has SHA instructions.
fn parse_profile(text: &str) -> Result<ProfileArgument, String> {
    let named = Profile::named(text).map(|profile| profile.hash(HashAlgorithm::Blake3));
    let profile = named.map_or_else(|| text.parse(), Ok);
    profile
        .map(ProfileArgument)
        .map_err(|error| format!("{} (expected large, medium, small, or a profile id)", message(&error)))
}

/// A part of a file, as in an HTTP range request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// From the first byte to the second, inclusive.
    Between(u64, u64),
    /// From this byte to the end.
    From(u64),
    /// This many bytes at the end.
    Last(u64),
}

impl ByteRange {
    fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
        match text.split_once('-') {
            Some(("", last)) => Ok(Self::Last(number(last)?)),
            Some((first, "")) => Ok(Self::From(number(first)?)),
            Some((first, last)) => match (number(first)?, number(last)?) {
                (first, last) if first <= last => Ok(Self::Between(first, last)),
                _ => Err("the range ends before it starts".to_owned()),
            },
            None => Err("expected A-B, A- or -N".to_owned()),
        }
    }

    /// Returns the bytes of a file of `length` bytes; as in HTTP, bytes past its end are left out.
    ///
    /// `None` when the file has no such byte.
    pub(crate) fn of(self, length: u64) -> Option<std::ops::Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(length),
            Self::From(first) => first..length,
            Self::Last(count) => length.saturating_sub(count)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(first, last) => write!(f, "{first}-{last}"),
            Self::From(first) => write!(f, "{first}-"),
            Self::Last(count) => write!(f, "-{count}"),
        }
    }
}

/// Parses a number of bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || "expected a number of bytes, or one with K, M or G, such as 64M".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let bytes = match unit {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(bytes).ok_or_else(expected)
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let unknown = |error| format!("not an address or a host name with a port: {error}");
    let mut found = text.to_socket_addrs().map_err(unknown)?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

fn parse_patience(text: &str) -> Result<Duration, String> {
    let patience = parse_duration(text)?;
    if patience.is_zero() { Err("expected at least 1s".to_owned()) } else { Ok(patience) }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with s, m, h or d, such as 12h".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" if number == "0" => 1,
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_range_means_what_it_means_in_http() {
        for (text, length, range) in [
            ("0-0", 10, Some(0..1)),
            ("2-5", 10, Some(2..6)),
            ("2-500", 10, Some(2..10)),
            ("0-18446744073709551615", 10, Some(0..10)),
            ("9-", 10, Some(9..10)),
            ("10-", 10, None),
            ("-3", 10, Some(7..10)),
            ("-30", 10, Some(0..10)),
            ("-0", 10, None),
            ("0-", 0, None),
        ] {
            assert_eq!(
                ByteRange::parse(text).map(|parsed| parsed.of(length)),
                Ok(range),
                "{text} of {length}"
            );
        }
        for text in ["", "-", "5", "5-4", "a-b", "1-2-3", "+1-2 ", "0x1-2", "-1-2", "1-18446744073709551616"]
        {
            assert!(ByteRange::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_has_a_unit() {
        for (text, seconds) in [("0", 0), ("90s", 90), ("2m", 120), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "h", "-1h", "1.5h", "1 h", "1w", "18446744073709551615d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
