//! An immutable, sorted table of chunks in a memory-mapped file.
//!
//! The file is a cache on this machine, written and read by one version of the crate. It is not trusted: its
//! head has a digest, and every block of entries a checksum that each look-up checks.
//!
//! | bytes | content |
//! |---|---|
//! | 64 | head: magic, number of packs, entries and bits of the fan-out, BLAKE3 of these and of the tables |
//! | packs × 32 | name, size, number of entries, zeros |
//! | 2 × (2^bits + 1) × 4 | fan-out of each algorithm: the first entry for each prefix of a digest |
//! | blocks × 1024 | 21 entries of 48 bytes, zeros, CRC-32 |

use crate::chunk::{ChunkId, algorithm_byte, algorithm_of};
use crate::name::TimeName;
use crate::pack::format::{Encoding, Place};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

const MAGIC: &[u8; 16] = b"chunker-index 1\n";
const HEAD: usize = 64;
const PACK: usize = 32;
const ENTRY: usize = 48;
const BLOCK: usize = 1024;
const PER_BLOCK: usize = BLOCK / ENTRY;
const ALGORITHMS: usize = 2;
/// Entries per place in the fan-out, approximately.
const PER_BUCKET_LOG: u32 = 3;

/// A pack in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotPack {
    pub(crate) name: TimeName,
    pub(crate) size: u64,
    pub(crate) chunks: u32,
}

/// A row: a chunk, the number of its pack in the table, and its place in the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: ChunkId,
    pub(crate) pack: u32,
    pub(crate) place: Place,
}

impl Row {
    pub(crate) fn order(&self) -> (ChunkId, u32) {
        (self.id, self.pack)
    }

    fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        let Place { encoding, length, offset, stored } = self.place;
        let zstd = u32::from(encoding == Encoding::Zstd);
        let numbers = [self.pack, offset, length << 1 | zstd, stored];
        bytes[..32].copy_from_slice(&self.id.digest);
        for (field, number) in bytes[32..].chunks_exact_mut(4).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn parse(algorithm: u8, bytes: &[u8; ENTRY]) -> Option<Self> {
        let (digest, numbers) = bytes.split_first_chunk::<32>()?;
        let [pack, offset, length, stored] = *numbers.as_chunks::<4>().0 else { return None };
        let [pack, offset, length, stored] = [pack, offset, length, stored].map(u32::from_le_bytes);
        let encoding = if length & 1 == 0 { Encoding::Raw } else { Encoding::Zstd };
        let place = Place { encoding, length: length >> 1, offset, stored };
        Some(Self { id: ChunkId::new(algorithm_of(algorithm)?, *digest), pack, place })
    }
}

/// The table; the system loads the parts that are used.
#[derive(Debug)]
pub(crate) struct Snapshot {
    map: memmap2::Mmap,
    packs: usize,
    bits: u32,
    /// Rows of each algorithm.
    rows: [usize; ALGORITHMS],
}

/// The table is damaged and must be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl Snapshot {
    /// Opens the table in `file`, if there is a sound one.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let map = map(&file).ok()?;
        let head = map.first_chunk::<HEAD>()?;
        let number = |at: usize| Some(u64::from_le_bytes(*head.get(at..)?.first_chunk()?));
        if head[..16] != *MAGIC {
            return None;
        }
        let counts = number(16)?;
        let (packs, bits) = (usize::try_from(counts & 0xffff_ffff).ok()?, u32::try_from(counts >> 32).ok()?);
        let rows = number(24)?;
        let rows = [usize::try_from(rows & 0xffff_ffff).ok()?, usize::try_from(rows >> 32).ok()?];
        let snapshot = Self { packs, bits, rows, map };
        let whole =
            (1..=24).contains(&bits) && snapshot.block_start(1, snapshot.blocks(1)?)? == snapshot.map.len();
        let tables = whole.then(|| snapshot.map.get(HEAD..snapshot.blocks_at()?)).flatten()?;
        let mut digest = blake3::Hasher::new();
        digest.update(&snapshot.map[..32]).update(tables);
        (digest.finalize().as_bytes()[..] == snapshot.map[32..HEAD]).then_some(snapshot)
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.iter().sum()
    }

    pub(crate) fn packs(&self) -> impl Iterator<Item = SnapshotPack> + '_ {
        let table = self.map.get(HEAD..HEAD + self.packs * PACK).unwrap_or_default();
        table.as_chunks::<PACK>().0.iter().filter_map(|pack| {
            let (name, rest) = pack.split_first_chunk()?;
            let (size, rest) = rest.split_first_chunk()?;
            let chunks = u32::from_le_bytes(*rest.first_chunk()?);
            Some(SnapshotPack { name: TimeName::from_bytes(*name), size: u64::from_le_bytes(*size), chunks })
        })
    }

    /// Calls `found` with every row of this chunk.
    pub(crate) fn find(&self, id: &ChunkId, mut found: impl FnMut(usize, Row)) -> Result<(), Damaged> {
        let Some(table) = table_of(id) else { return Ok(()) };
        let rows = self.rows[table];
        if rows == 0 {
            return Ok(());
        }
        let bucket = bucket_of(&id.digest, self.bits);
        let start = self.fan_out(table, bucket).ok_or(Damaged)?;
        let end = self.fan_out(table, bucket + 1).ok_or(Damaged)?.min(rows);
        let (mut row, before) = (start, if table == 0 { 0 } else { self.rows[0] });
        while row < end {
            let block = self.block(table, row / PER_BLOCK)?;
            let in_block = (end - row / PER_BLOCK * PER_BLOCK).min(PER_BLOCK);
            for index in row % PER_BLOCK..in_block {
                let entry = block[index * ENTRY..].first_chunk::<ENTRY>().ok_or(Damaged)?;
                match entry[..32].cmp(&id.digest) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Greater => return Ok(()),
                    std::cmp::Ordering::Equal => {
                        let parsed = Row::parse(algorithm_byte(id.algorithm), entry).ok_or(Damaged)?;
                        found(before + row / PER_BLOCK * PER_BLOCK + index, parsed);
                    }
                }
            }
            row = (row / PER_BLOCK + 1) * PER_BLOCK;
        }
        Ok(())
    }

    /// Returns all rows in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row, Damaged>> + '_ {
        (0..ALGORITHMS).flat_map(move |table| {
            let blocks = self.blocks(table).unwrap_or(0);
            (0..blocks).flat_map(move |number| {
                let in_block = (self.rows[table] - number * PER_BLOCK).min(PER_BLOCK);
                let block = self.block(table, number);
                (0..in_block).map(move |index| {
                    let entry = block?[index * ENTRY..].first_chunk::<ENTRY>().ok_or(Damaged)?;
                    #[expect(clippy::cast_possible_truncation, reason = "there are two")]
                    Row::parse(table as u8 + 1, entry).ok_or(Damaged)
                })
            })
        })
    }

    fn blocks(&self, table: usize) -> Option<usize> {
        self.rows.get(table).map(|rows| rows.div_ceil(PER_BLOCK))
    }

    fn fan_out_at(&self) -> Option<usize> {
        self.packs.checked_mul(PACK)?.checked_add(HEAD)
    }

    fn blocks_at(&self) -> Option<usize> {
        self.fan_out_at()?.checked_add(ALGORITHMS * ((1 << self.bits) + 1) * 4)
    }

    fn block_start(&self, table: usize, block: usize) -> Option<usize> {
        let before = if table == 0 { 0 } else { self.blocks(0)? };
        self.blocks_at()?.checked_add(before.checked_add(block)?.checked_mul(BLOCK)?)
    }

    fn fan_out(&self, table: usize, bucket: usize) -> Option<usize> {
        let at = self.fan_out_at()? + (table * ((1 << self.bits) + 1) + bucket) * 4;
        Some(u32::from_le_bytes(*self.map.get(at..)?.first_chunk()?) as usize)
    }

    fn block(&self, table: usize, block: usize) -> Result<&[u8; BLOCK], Damaged> {
        let start = self.block_start(table, block).ok_or(Damaged)?;
        let block = self.map.get(start..).and_then(|rest| rest.first_chunk::<BLOCK>()).ok_or(Damaged)?;
        let (content, checksum) = block.split_last_chunk::<4>().ok_or(Damaged)?;
        if crc32fast::hash(content) == u32::from_le_bytes(*checksum) { Ok(block) } else { Err(Damaged) }
    }
}

/// Returns the number of the table that has the chunks of this algorithm.
fn table_of(id: &ChunkId) -> Option<usize> {
    usize::from(algorithm_byte(id.algorithm)).checked_sub(1)
}

/// Returns the first bits of a digest, 1 to 24 of them.
fn bucket_of(digest: &[u8; 32], bits: u32) -> usize {
    let [d0, d1, d2, d3, ..] = *digest;
    u32::from_be_bytes([d0, d1, d2, d3]) as usize >> (32 - bits)
}

#[expect(unsafe_code, reason = "a map of a file is unsafe")]
fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: a snapshot is written under another name and renamed once it is complete; nothing in this
    // crate writes to one or shortens it afterwards. A foreign process that does so to a file in the cache
    // folder can change what is read, which every look-up checks, or end this process.
    unsafe { memmap2::Mmap::map(file) }
}

/// Writes a table of these packs and rows, which are in [order](Row::order) and at most `most`.
pub(crate) fn write(
    file: File,
    packs: &[SnapshotPack],
    most: usize,
    rows: impl IntoIterator<Item = Result<Row, Damaged>>,
) -> io::Result<()> {
    use std::io::Seek as _;
    let damaged = |Damaged| io::Error::from(io::ErrorKind::InvalidData);
    let bits = most.max(1).ilog2().saturating_sub(PER_BUCKET_LOG).clamp(1, 24);
    let buckets = 1usize << bits;
    let mut tables = Vec::with_capacity(packs.len() * PACK + ALGORITHMS * (buckets + 1) * 4);
    for SnapshotPack { name, size, chunks } in packs {
        tables.extend_from_slice(&name.to_bytes());
        tables.extend_from_slice(&size.to_le_bytes());
        tables.extend_from_slice(&chunks.to_le_bytes());
        tables.extend_from_slice(&[0; 4]);
    }
    let fan_out_at = tables.len();
    tables.resize(fan_out_at + ALGORITHMS * (buckets + 1) * 4, 0);
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.seek(io::SeekFrom::Start((HEAD + tables.len()) as u64))?;
    let mut fan_out = [vec![0u32; buckets + 1], vec![0u32; buckets + 1]];
    let mut written = [0usize; ALGORITHMS];
    let mut block = [0u8; BLOCK];
    let mut filled = 0;
    let flush = |block: &mut [u8; BLOCK], filled: &mut usize, file: &mut BufWriter<File>| {
        if *filled > 0 {
            let checksum = crc32fast::hash(&block[..BLOCK - 4]);
            block[BLOCK - 4..].copy_from_slice(&checksum.to_le_bytes());
            file.write_all(&block[..])?;
            *block = [0; BLOCK];
            *filled = 0;
        }
        io::Result::Ok(())
    };
    let mut last_table = 0;
    for row in rows {
        let row = row.map_err(damaged)?;
        let table = table_of(&row.id).ok_or(io::ErrorKind::InvalidData)?;
        if table != last_table {
            flush(&mut block, &mut filled, &mut file)?;
            last_table = table;
        }
        block[filled * ENTRY..][..ENTRY].copy_from_slice(&row.to_bytes());
        filled += 1;
        if filled == PER_BLOCK {
            flush(&mut block, &mut filled, &mut file)?;
        }
        fan_out[table][bucket_of(&row.id.digest, bits) + 1] += 1;
        written[table] += 1;
    }
    flush(&mut block, &mut filled, &mut file)?;
    for (table, fan_out) in fan_out.iter().enumerate() {
        let mut sum = 0u32;
        for (bucket, count) in fan_out.iter().enumerate() {
            sum += count;
            let at = fan_out_at + (table * (buckets + 1) + bucket) * 4;
            tables[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(MAGIC);
    head[16..24].copy_from_slice(&(packs.len() as u64 | u64::from(bits) << 32).to_le_bytes());
    head[24..32].copy_from_slice(&(written[0] as u64 | (written[1] as u64) << 32).to_le_bytes());
    let mut digest = blake3::Hasher::new();
    digest.update(&head[..32]).update(&tables);
    head[32..].copy_from_slice(digest.finalize().as_bytes());
    file.seek(io::SeekFrom::Start(0))?;
    file.write_all(&head)?;
    file.write_all(&tables)?;
    file.flush()
}
