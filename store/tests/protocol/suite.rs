//! The laws of the protocol, for any server of it: `docs/protocol.md` says what they are.
//!
//! They run against the engine alone here, against `chunker serve` over TCP in `cli/tests/serve.rs`, and against
//! any other server in `store/tests/server.rs`.

use chunker::Profile;
use chunker::compression::{Codec, compress};
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::pack::format::{checksum, parse_footer};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// A server with an empty store on a disk, of default limits.
pub(crate) trait Server {
    /// Sends a request and returns the answer.
    fn send(&self, request: &Sent) -> Received;

    /// The folder of the store.
    fn store(&self) -> &Path;

    /// Whether methods that nobody knows get as far as the engine; HTTP libraries may refuse them.
    fn takes_any_method(&self) -> bool {
        true
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Pieces of the body, sent one after another.
    pub(crate) body: Vec<Vec<u8>>,
}

impl Sent {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a body, in one piece, and what belongs to it.
    pub(crate) fn body(self, bytes: Vec<u8>) -> Self {
        let length = bytes.len().to_string();
        let mut sent = self.with("Content-Length", &length);
        if sent.method == "POST" {
            sent = sent.with("Content-Type", "application/octet-stream");
        }
        sent.body = vec![bytes];
        sent
    }

    /// Cuts the body into pieces of `length` bytes.
    pub(crate) fn in_pieces_of(mut self, length: usize) -> Self {
        self.body = self.body.concat().chunks(length).map(<[u8]>::to_vec).collect();
        self
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as the head says.
    pub(crate) whole: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let json = serde_json::from_slice(&self.body);
        assert!(json.is_ok(), "{}", String::from_utf8_lossy(&self.body));
        json.unwrap()
    }

    /// Checks the status, and returns the body.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Vec<u8> {
        assert_eq!((self.status, self.whole), (status, true), "{}", String::from_utf8_lossy(&self.body));
        self.body
    }

    /// Checks that it is a refusal that the page knows, and returns it.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        let json = self.json();
        assert_eq!((self.status, json["code"].as_str()), (status, Some(code)), "{json}");
        assert!(codes().contains(&(status, code.to_owned())), "{status} {code} is not on the page");
        assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        json
    }
}

/// The statuses and codes of the page.
fn codes() -> HashSet<(u16, String)> {
    let page = include_str!("../../../docs/protocol.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let status = cells.next()?.parse().ok().filter(|status| *status >= 400)?;
        let codes = cells.next()?.split(", ").map(|code| code.trim_matches('`').to_owned());
        Some(codes.map(move |code| (status, code)).collect::<Vec<_>>())
    });
    let codes: HashSet<_> = rows.flatten().collect();
    assert!(codes.len() > 40, "the page has another form: {codes:?}");
    codes
}

/// Bytes without a pattern.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// Bytes of which half compress.
pub(crate) fn mixed(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = noise(length, seed);
    for block in bytes.chunks_mut(8192).skip(1).step_by(2) {
        block.iter_mut().for_each(|byte| *byte &= 0x11);
    }
    bytes
}

/// A chunk of a pack, with its encoded bytes.
pub(crate) struct Chunk {
    pub(crate) digest: [u8; 32],
    pub(crate) length: u32,
    pub(crate) encoded: Vec<u8>,
}

impl Chunk {
    pub(crate) fn raw(algorithm: HashAlgorithm, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap();
        Self { digest: algorithm.digest(bytes), length, encoded: bytes.to_vec() }
    }

    pub(crate) fn zstd(algorithm: HashAlgorithm, bytes: &[u8]) -> Self {
        let encoded = compress(Codec::Zstd, bytes, Some(3)).unwrap();
        Self { encoded, ..Self::raw(algorithm, bytes) }
    }
}

pub(crate) fn pack(chunks: &[Chunk]) -> Vec<u8> {
    let mut bytes = b"CPK1".to_vec();
    bytes.extend(u32::try_from(chunks.len()).unwrap().to_le_bytes());
    for chunk in chunks {
        bytes.extend(chunk.digest);
        bytes.extend(chunk.length.to_le_bytes());
        bytes.extend(u32::try_from(chunk.encoded.len()).unwrap().to_le_bytes());
    }
    chunks.iter().for_each(|chunk| bytes.extend(&chunk.encoded));
    bytes
}

/// Takes the answer of `read` apart: digest, length and encoded bytes of each chunk.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<Chunk> {
    let (head, rest) = bytes.split_at(8);
    assert_eq!(head[..4], *b"CPK1");
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap()) as usize;
    let (table, mut body) = rest.split_at(number(&head[4..]) * 40);
    let mut chunks = Vec::new();
    for row in table.chunks(40) {
        let (encoded, rest) = body.split_at(number(&row[36..]));
        let length = u32::try_from(number(&row[32..36])).unwrap();
        chunks.push(Chunk { digest: row[..32].try_into().unwrap(), length, encoded: encoded.to_vec() });
        body = rest;
    }
    assert!(body.is_empty());
    chunks
}

pub(crate) fn manifest(data: &[u8], algorithm: HashAlgorithm) -> Manifest {
    let profile = Profile::SMALL.hash(algorithm);
    Manifest::new(profile, chunker::chunking::chunk_descriptors(data, profile)).unwrap()
}

pub(crate) fn root(manifest: &Manifest) -> String {
    format!("{}-{}", manifest.hash_algorithm(), hex::encode(manifest.root_digest()))
}

pub(crate) fn ask_missing(algorithm: HashAlgorithm, digests: &[[u8; 32]]) -> Sent {
    Sent::new("POST", &format!("/v1/chunks/{algorithm}/missing")).body(digests.concat())
}

pub(crate) fn read_chunks(algorithm: HashAlgorithm, digests: &[[u8; 32]]) -> Sent {
    Sent::new("POST", &format!("/v1/chunks/{algorithm}/read")).body(digests.concat())
}

pub(crate) fn missing(server: &dyn Server, algorithm: HashAlgorithm, digests: &[[u8; 32]]) -> Vec<bool> {
    let bitmap = server.send(&ask_missing(algorithm, digests)).ok(200);
    assert_eq!(bitmap.len(), digests.len().div_ceil(8));
    let bit = |index: usize| bitmap[index / 8] >> (index % 8) & 1 == 1;
    assert!((digests.len()..bitmap.len() * 8).all(|index| !bit(index)));
    (0..digests.len()).map(bit).collect()
}

pub(crate) fn write_pack(algorithm: HashAlgorithm, chunks: &[Chunk]) -> Sent {
    Sent::new("POST", &format!("/v1/packs/{algorithm}")).body(pack(chunks))
}

pub(crate) fn commit(manifest: &Manifest) -> Sent {
    Sent::new("PUT", &format!("/v1/manifests/{}", root(manifest))).body(manifest.to_bytes())
}

/// Uploads a file as a client does, and returns its root.
pub(crate) fn upload(server: &dyn Server, data: &[u8], algorithm: HashAlgorithm) -> String {
    let manifest = manifest(data, algorithm);
    let digests: Vec<_> = manifest.chunks().iter().map(|chunk| chunk.hash).collect();
    if !digests.is_empty() {
        let missing = missing(server, algorithm, &digests);
        let mut seen = HashSet::new();
        let wanted = manifest
            .chunks()
            .iter()
            .zip(missing)
            .filter(|(chunk, missing)| *missing && seen.insert(chunk.hash));
        let chunks: Vec<Chunk> =
            wanted.map(|(chunk, _)| Chunk::raw(algorithm, chunk.slice(data).unwrap())).collect();
        for chunks in chunks.chunks(50) {
            let length: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
            let answer = server.send(&write_pack(algorithm, chunks));
            assert_eq!(answer.json()["chunks"], chunks.len(), "{answer:?}");
            assert_eq!(answer.json()["length"], length);
        }
    }
    let answer = server.send(&commit(&manifest));
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    assert_eq!(answer.json()["root"], root(&manifest));
    assert_eq!(answer.json()["length"], data.len());
    assert_eq!(answer.json()["chunks"], manifest.chunks().len());
    root(&manifest)
}

pub(crate) fn get(server: &dyn Server, target: &str) -> Received {
    server.send(&Sent::new("GET", target))
}

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

pub(crate) fn what_is_uploaded_can_be_read(server: &dyn Server) {
    for algorithm in HashAlgorithm::ALL {
        for length in [0, 1, 5_000, 3_000_000] {
            let data = mixed(length, length as u64);
            let root = upload(server, &data, algorithm);
            let file = get(server, &format!("/v1/files/{root}"));
            assert_eq!(file.header("content-length"), Some(length.to_string().as_str()));
            assert_eq!(file.header("etag"), Some(format!("\"{root}\"").as_str()));
            assert_eq!(file.header("accept-ranges"), Some("bytes"));
            assert_eq!(file.header("content-security-policy"), Some("sandbox"));
            assert_eq!(file.header("cache-control"), Some("private, max-age=31536000, immutable"));
            assert!(file.ok(200) == data, "{length}");
            let manifest = manifest(&data, algorithm);
            assert!(get(server, &format!("/v1/manifests/{root}")).ok(200) == manifest.to_bytes());
            for chunk in manifest.chunks().iter().take(3) {
                let bytes = get(server, &format!("/v1/chunks/{algorithm}/{}", chunk.hash_hex())).ok(200);
                assert!(bytes == chunk.slice(&data).unwrap());
            }
            assert_eq!(server.send(&commit(&manifest)).status, 200, "it is known");
        }
    }
}

pub(crate) fn the_server_says_what_it_is(server: &dyn Server) {
    let answer = get(server, "/v1");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let about = answer.json();
    assert_eq!((&about["version"], &about["encodings"]), (&1.into(), &serde_json::json!(["zstd"])));
    let digests = [SHA256.digest(b"a")];
    let asked = server.send(&ask_missing(SHA256, &digests));
    let limits: Value = serde_json::from_str(asked.header("chunker-limits").unwrap()).unwrap();
    assert_eq!(limits, about["limits"]);
    let page = include_str!("../../../docs/protocol.md");
    let shown = page.lines().find(|line| line.starts_with("{\"version\"")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), about, "the page shows it");
}

pub(crate) fn a_bit_is_set_where_a_chunk_is_missing(server: &dyn Server) {
    let chunks: Vec<Vec<u8>> = (0..19).map(|seed| noise(100, seed + 1)).collect();
    let known = [0, 3, 7, 8, 15, 18];
    let sent: Vec<Chunk> = known.iter().map(|&index| Chunk::raw(SHA256, &chunks[index])).collect();
    server.send(&write_pack(SHA256, &sent)).ok(200);
    let digests: Vec<_> = chunks.iter().map(|chunk| SHA256.digest(chunk)).collect();
    for count in 1..=digests.len() {
        let expected: Vec<bool> = (0..count).map(|index| !known.contains(&index)).collect();
        assert_eq!(missing(server, SHA256, &digests[..count]), expected);
    }
    let twice = [digests[0], digests[1], digests[0]];
    assert_eq!(missing(server, SHA256, &twice), [false, true, false], "one may be asked for twice");
    let other: Vec<_> = chunks.iter().map(|chunk| HashAlgorithm::Blake3.digest(chunk)).collect();
    assert!(missing(server, HashAlgorithm::Blake3, &other).iter().all(|&missing| missing));
}

pub(crate) fn any_split_of_a_body_gives_the_same_answer(server: &dyn Server) {
    let data = mixed(40_000, 5);
    let chunks = || -> Vec<Chunk> {
        let chunks = data.chunks(9_000).enumerate();
        chunks
            .map(|(index, chunk)| match index % 2 {
                0 => Chunk::raw(SHA256, chunk),
                _ => Chunk::zstd(SHA256, &[chunk, &[0; 9000]].concat()),
            })
            .collect()
    };
    let digests: Vec<_> = chunks().iter().map(|chunk| chunk.digest).collect();
    let requests = [
        write_pack(SHA256, &chunks()),
        ask_missing(SHA256, &digests),
        read_chunks(SHA256, &digests),
        commit(&manifest(&data, SHA256)),
    ];
    for request in requests {
        let expected = server.send(&request);
        for length in [1, 7, 37, 255, 4096] {
            if length > 1 || request.body.concat().len() < 5_000 {
                let answer = server.send(&request.clone().in_pieces_of(length));
                assert_eq!((answer.status, &answer.body), (expected.status, &expected.body), "{length}");
            }
        }
    }
    assert!(missing(server, SHA256, &digests).iter().all(|&missing| !missing));
}

pub(crate) fn chunks_are_read_in_the_order_asked(server: &dyn Server) {
    let data = mixed(2_000_000, 6);
    let root = upload(server, &data, SHA256);
    let manifest = manifest(&data, SHA256);
    let mut chunks: Vec<_> = manifest.chunks().to_vec();
    chunks.sort_by_key(|chunk| chunk.hash);
    let unknown = SHA256.digest(b"unknown");
    let mut digests: Vec<_> = chunks.iter().map(|chunk| chunk.hash).collect();
    digests.insert(2, unknown);
    digests.push(SHA256.digest(b"unknown too"));
    for encoding in ["", "?encoding=zstd", "?x=y&encoding=zstd"] {
        let read = Sent::new("POST", &format!("/v1/chunks/sha256/read{encoding}")).body(digests.concat());
        let read = unpack(&server.send(&read).ok(200));
        let order: Vec<_> = read.iter().map(|chunk| chunk.digest).collect();
        assert_eq!(order, digests);
        let mut compressed = 0;
        for Chunk { digest, length, encoded } in read {
            let Some(chunk) = chunks.iter().find(|chunk| chunk.hash == digest) else {
                assert_eq!((length, encoded.len()), (0, 0));
                continue;
            };
            let bytes = if encoded.len() == length as usize {
                encoded
            } else {
                compressed += 1;
                chunker::compression::decompress(
                    Codec::Zstd,
                    &encoded,
                    chunker::compression::DecompressionLimits::default(),
                )
                .unwrap()
            };
            assert!(bytes == chunk.slice(&data).unwrap());
        }
        assert_eq!(compressed > 0, !encoding.is_empty(), "only who asks gets frames");
    }
    let nothing = read_chunks(SHA256, &[unknown]);
    assert_eq!(server.send(&nothing).ok(200).len(), 48);
    let twice = read_chunks(SHA256, &[unknown, digests[0], unknown]);
    let refusal = server.send(&twice).refused(400, "duplicate_digest");
    assert_eq!(refusal["chunk"], hex::encode(unknown));
    server.send(&Sent::new("DELETE", &format!("/v1/files/{root}"))).ok(204);
}

pub(crate) fn a_download_is_a_manifest_and_the_chunks_of_a_part(server: &dyn Server) {
    let mut data = mixed(600_000, 21);
    data.extend_from_within(..300_000);
    let root = upload(server, &data, SHA256);
    let manifest = manifest(&data, SHA256);
    let length = data.len() as u64;
    for (query, part) in [
        ("", 0..length),
        ("?x=y", 0..length),
        ("?encoding=zstd", 0..length),
        ("?start=150000&end=150001", 150_000..150_001),
        ("?start=200000", 200_000..length),
        ("?end=99999999999999999999", 0..length),
        ("?start=5&end=5", 0..0),
        ("?start=900000", 0..0),
        ("?start=9&end=3", 0..0),
    ] {
        let answer = get(server, &format!("/v1/files/{root}/chunks{query}"));
        assert_eq!(answer.header("content-security-policy"), Some("sandbox"));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "encodings may change");
        let body = answer.ok(200);
        let (bytes, pack) = body[8..].split_at(manifest.to_bytes().len());
        assert_eq!(&body[..8], [&b"CDL1"[..], &u32::try_from(bytes.len()).unwrap().to_le_bytes()].concat());
        assert!(bytes == manifest.to_bytes());
        let mut expected = Vec::new();
        for chunk in manifest.chunks() {
            let (start, end) = (chunk.offset, chunk.offset + chunk.length as u64);
            if start < part.end && end > part.start && !expected.contains(&chunk.hash) {
                expected.push(chunk.hash);
            }
        }
        let chunks = unpack(pack);
        assert_eq!(chunks.iter().map(|chunk| chunk.digest).collect::<Vec<_>>(), expected, "{query}");
        for Chunk { digest, length, encoded } in &chunks {
            let is_plain = encoded.len() == *length as usize;
            assert!(is_plain && SHA256.digest(encoded) == *digest || query == "?encoding=zstd");
        }
        let is_encoded = chunks.iter().any(|chunk| chunk.encoded.len() < chunk.length as usize);
        assert_eq!(is_encoded, query == "?encoding=zstd");
    }
    for query in ["start=x", "start=-1", "end=", "start=1&start=1", "encoding=gzip"] {
        get(server, &format!("/v1/files/{root}/chunks?{query}")).refused(400, "invalid_query");
    }
    let empty = upload(server, b"", SHA256);
    let body = get(server, &format!("/v1/files/{empty}/chunks")).ok(200);
    let manifest = u32::from_le_bytes(body[4..8].try_into().unwrap()) as usize;
    assert!(unpack(&body[8 + manifest..]).is_empty());
    let none = format!("/v1/files/sha256-{}/chunks", "0".repeat(64));
    get(server, &none).refused(404, "root_not_found");
}

pub(crate) fn a_file_that_is_expected_to_be_known_or_sent_is_asked_about_first(server: &dyn Server) {
    let data = noise(200_000, 22);
    let file = manifest(&data, SHA256);
    let put = |query: &str| {
        Sent::new("PUT", &format!("/v1/manifests/{}{query}", root(&file))).body(file.to_bytes())
    };
    let named: Vec<_> = file.chunks().iter().map(|chunk| chunk.hash_hex()).collect();
    for query in ["?expect=known", "?expect=sent"] {
        let missing: serde_json::Value = serde_json::from_slice(&server.send(&put(query)).ok(202)).unwrap();
        assert_eq!(missing, serde_json::json!({ "count": named.len(), "missing": named }));
    }
    get(server, &format!("/v1/files/{}", root(&file))).refused(404, "root_not_found");
    server.send(&put("?expect=anything")).refused(400, "invalid_query");
    let root = upload(server, &data, SHA256);
    server.send(&Sent::new("DELETE", &format!("/v1/files/{root}"))).ok(204);
    assert_eq!(server.send(&put("?expect=known")).status, 201);
    assert_eq!(server.send(&put("?expect=known")).status, 200);
    assert_eq!(server.send(&put("?expect=sent")).status, 200);
    assert!(get(server, &format!("/v1/files/{root}")).ok(200) == data);
}

/// A frame whose head asks for a window of 2^`log` bytes.
fn windowed(log: u8) -> Vec<u8> {
    let mut frame = b"\x28\xb5\x2f\xfd".to_vec(); // magic
    frame.push(0x00); // no content size, no single segment, no checksum, no dictionary
    frame.push((log - 10) << 3); // window descriptor
    frame.extend([0x03, 0x40, 0x00, b'a']); // the last block: RLE of 2048 bytes
    frame
}

pub(crate) fn a_wrong_pack_is_refused_and_leaves_nothing(server: &dyn Server) {
    let (a, b) = (noise(5_000, 11), vec![7; 20_000]);
    let raw = |bytes: &[u8]| Chunk::raw(SHA256, bytes);
    let zstd = |bytes: &[u8]| Chunk::zstd(SHA256, bytes);
    let good = || vec![raw(&a), zstd(&b)];
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = pack(&good());
        change(&mut bytes);
        bytes
    };
    let with = |chunk: Chunk| pack(&[raw(&a), chunk]);
    let digest = SHA256.digest(&b);
    let frame = |encoded: Vec<u8>, length: u32| Chunk { digest, length, encoded };
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("bad magic", changed(&|bytes| bytes[0] = b'X'), 400, "invalid_pack"),
        ("no chunks", changed(&|bytes| bytes[4] = 0), 400, "invalid_pack"),
        ("fewer chunks than there are", changed(&|bytes| bytes[4] = 1), 400, "invalid_pack"),
        ("more chunks than there are", changed(&|bytes| bytes[4] = 3), 400, "invalid_pack"),
        ("more chunks than fit", changed(&|bytes| bytes[5] = 1), 400, "invalid_pack"),
        ("2^32 - 1 chunks", changed(&|bytes| bytes[4..8].fill(0xff)), 413, "too_many_chunks"),
        ("a length of 0", changed(&|bytes| bytes[40..48].fill(0)), 400, "invalid_pack"),
        ("an encoded length of 0", changed(&|bytes| bytes[44..48].fill(0)), 400, "invalid_pack"),
        ("an encoded length above the length", changed(&|bytes| bytes[40] -= 1), 400, "invalid_pack"),
        (
            "lengths that do not add up",
            changed(&|bytes| {
                bytes[40] += 1;
                bytes[44] += 1;
            }),
            400,
            "invalid_pack",
        ),
        ("a chunk of 2^32 - 1 bytes", changed(&|bytes| bytes[80..84].fill(0xff)), 413, "chunk_too_large"),
        ("one byte more", changed(&|bytes| bytes.push(0)), 400, "invalid_pack"),
        ("one byte less", changed(&|bytes| bytes.truncate(bytes.len() - 1)), 400, "invalid_pack"),
        ("one digest twice", pack(&[raw(&a), raw(&a)]), 400, "duplicate_digest"),
        ("another first byte", changed(&|bytes| bytes[88] ^= 1), 400, "chunk_digest_mismatch"),
        ("another digest", changed(&|bytes| bytes[8] ^= 1), 400, "chunk_digest_mismatch"),
        ("a raw chunk called a frame", with(frame(a.clone(), 20_000)), 400, "zstd_decompression_failed"),
        (
            "a frame of more",
            with(frame(zstd(&[&b[..], b"x"].concat()).encoded, 20_000)),
            400,
            "size_exceeded",
        ),
        ("a frame of less", with(frame(zstd(&b[1..]).encoded, 20_000)), 400, "chunk_digest_mismatch"),
        (
            "a frame of less, with its digest",
            with(Chunk { length: 20_001, ..zstd(&b) }),
            400,
            "chunk_length_mismatch",
        ),
        ("a bomb", with(frame(zstd(&vec![0; 8 << 20]).encoded, 20_000)), 400, "size_exceeded"),
        ("half a frame", with(frame(zstd(&b).encoded[..10].to_vec(), 20_000)), 400, "truncated_data"),
        (
            "bytes after a frame",
            with(frame([zstd(&b).encoded, b"x".to_vec()].concat(), 20_000)),
            400,
            "zstd_decompression_failed",
        ),
        ("a window of 16 MiB", with(frame(windowed(24), 20_000)), 400, "window_exceeded"),
        (
            "nothing but a skippable frame",
            with(frame(b"\x50\x2a\x4d\x18\x01\0\0\0x".to_vec(), 20_000)),
            400,
            "chunk_length_mismatch",
        ),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, status, code) in cases {
        for length in [bytes.len(), 999, 3] {
            let request = Sent::new("POST", "/v1/packs/sha256").body(bytes.clone()).in_pieces_of(length);
            let answer = server.send(&request);
            if answer.status == status && answer.json()["code"] == code {
                answer.refused(status, code);
            } else {
                wrong.push(format!("{name}: {} {}", answer.status, answer.json()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(missing(server, SHA256, &[SHA256.digest(&a), digest]), [true, true], "nothing is stored");
    assert_eq!(get(server, "/v1/usage").json()["packs"], 0);
    server.send(&write_pack(SHA256, &good())).ok(200);
    assert_eq!(missing(server, SHA256, &[SHA256.digest(&a), digest]), [false, false]);
    let small = with(Chunk { digest: SHA256.digest(&[b'a'; 2048]), length: 2048, encoded: windowed(23) });
    server.send(&Sent::new("POST", "/v1/packs/sha256").body(small)).ok(200); // every decoder has 8 MiB
}

pub(crate) fn a_head_is_refused_before_its_body(server: &dyn Server) {
    let limits = get(server, "/v1").json()["limits"].clone();
    let above = |name: &str, factor: u64| (limits[name].as_u64().unwrap() * factor + factor).to_string();
    let digest = "0".repeat(64);
    let post = |target: &str, length: &str| {
        let sent = Sent::new("POST", target).with("Content-Length", length);
        sent.with("Content-Type", "application/octet-stream")
    };
    let put = |target: &str| Sent::new("PUT", target);
    let root = format!("/v1/manifests/sha256-{digest}");
    let missing = "/v1/chunks/sha256/missing";
    let cases = [
        (Sent::new("GET", "/v2"), 404, "not_found"),
        (Sent::new("GET", "/"), 404, "not_found"),
        (Sent::new("GET", "/v1/"), 404, "not_found"),
        (Sent::new("GET", "/v1/../v1"), 404, "not_found"),
        (Sent::new("GET", "/v1/%75sage"), 404, "not_found"),
        (Sent::new("GET", "/v1/usage/"), 404, "not_found"),
        (Sent::new("GET", "/v1/files/a/b"), 404, "not_found"),
        (Sent::new("GET", "/v1/chunks/sha256"), 404, "not_found"),
        (Sent::new("POST", "/v1"), 405, "method_not_allowed"),
        (Sent::new("GET", missing), 405, "method_not_allowed"),
        (Sent::new("DELETE", &root), 405, "method_not_allowed"),
        (Sent::new("PUT", &format!("/v1/files/sha256-{digest}")), 405, "method_not_allowed"),
        (Sent::new("get", "/v1"), 405, "method_not_allowed"),
        (Sent::new("GET", &format!("/v1/chunks/md5/{digest}")), 400, "unknown_hash_algorithm"),
        (post("/v1/packs/SHA256", "100"), 400, "unknown_hash_algorithm"),
        (post("/v1/chunks//missing", "32"), 400, "unknown_hash_algorithm"),
        (Sent::new("GET", "/v1/chunks/sha256/00"), 400, "invalid_digest"),
        (Sent::new("GET", &format!("/v1/chunks/sha256/{}", "AB".repeat(32))), 400, "invalid_digest"),
        (Sent::new("GET", &format!("/v1/chunks/sha256/{}", "%30".repeat(64))), 400, "invalid_digest"),
        (Sent::new("GET", &format!("/v1/files/{digest}")), 400, "invalid_root"),
        (Sent::new("GET", &format!("/v1/files/md5-{digest}")), 400, "invalid_root"),
        (put("/v1/manifests/sha256-").with("Content-Length", "1"), 400, "invalid_root"),
        (Sent::new("GET", &format!("/v1/files/sha256-{digest}?type=text/html")), 400, "invalid_query"),
        (Sent::new("GET", "/v1/files?limit=0"), 400, "invalid_query"),
        (Sent::new("GET", "/v1/files?limit=1001"), 400, "invalid_query"),
        (Sent::new("GET", "/v1/files?limit=+1"), 400, "invalid_query"),
        (Sent::new("GET", "/v1/files?limit=1&limit=1"), 400, "invalid_query"),
        (Sent::new("GET", "/v1/files?after=x"), 400, "invalid_query"),
        (post("/v1/chunks/sha256/read?encoding=br", "32"), 400, "invalid_query"),
        (post(missing, "0"), 400, "invalid_length"),
        (post(missing, "33"), 400, "invalid_length"),
        (post("/v1/chunks/sha256/read", "31"), 400, "invalid_length"),
        (post(missing, &above("missingDigests", 32)), 413, "too_many_digests"),
        (post("/v1/chunks/sha256/read", &above("readDigests", 32)), 413, "too_many_digests"),
        (post("/v1/packs/sha256", &above("packBytes", 1)), 413, "pack_too_large"),
        (post("/v1/packs/sha256", "48"), 400, "invalid_pack"),
        (post("/v1/packs/sha256", "0"), 400, "invalid_pack"),
        (put(&root).with("Content-Length", &above("manifestBytes", 1)), 413, "manifest_too_large"),
        (put(&root), 411, "length_required"),
        (
            put(&root).with("Content-Length", "9").with("Content-Encoding", "gzip"),
            415,
            "unsupported_media_type",
        ),
        (Sent::new("POST", missing).with("Content-Length", "32"), 415, "unsupported_media_type"),
        (
            Sent::new("POST", missing).with("Content-Length", "32").with("Content-Type", "text/plain"),
            415,
            "unsupported_media_type",
        ),
    ];
    for (request, status, code) in cases {
        if request.method == "get" && !server.takes_any_method() {
            continue;
        }
        let answer = server.send(&request);
        let said = answer.json()["code"].clone();
        assert!(answer.status == status && said == code, "{request:?}: {} {said}", answer.status);
        if status == 405 {
            assert!(answer.header("allow").is_some_and(|methods| methods.ends_with("OPTIONS")));
        }
        if status == 413 {
            assert!(answer.json()["limit"].is_u64());
        }
        answer.refused(status, code);
    }
}

pub(crate) fn what_is_not_stored_is_not_found(server: &dyn Server) {
    let digest = "0".repeat(64);
    for method in ["GET", "HEAD"] {
        for (target, code) in [
            (format!("/v1/chunks/blake3/{digest}"), "chunk_not_found"),
            (format!("/v1/manifests/blake3-{digest}"), "root_not_found"),
            (format!("/v1/files/blake3-{digest}"), "root_not_found"),
        ] {
            let answer = server.send(&Sent::new(method, &target).with("If-None-Match", "*"));
            assert_eq!((answer.status, answer.body.is_empty()), (404, method == "HEAD"), "{target}");
            if method == "GET" {
                answer.refused(404, code);
            }
        }
    }
    let delete = Sent::new("DELETE", &format!("/v1/files/blake3-{digest}"));
    server.send(&delete).refused(404, "root_not_found");
}

pub(crate) fn a_manifest_is_stored_only_if_all_of_it_is_right(server: &dyn Server) {
    let data = noise(200_000, 12);
    let file = manifest(&data, SHA256);
    let put = |root: &str, bytes: Vec<u8>| Sent::new("PUT", &format!("/v1/manifests/{root}")).body(bytes);
    let refused = server.send(&commit(&file)).refused(409, "chunks_missing");
    let named: Vec<_> = file.chunks().iter().map(|chunk| chunk.hash_hex()).collect();
    assert_eq!(refused["missing"], serde_json::json!(named));
    assert_eq!(refused["count"], named.len());
    let root = upload(server, &data, SHA256);
    let bytes = file.to_bytes();
    let changed = |at: usize, by: u8| {
        let mut bytes = bytes.clone();
        bytes[at] ^= by;
        let root = format!("sha256-{}", hex::encode(SHA256.digest(&bytes)));
        put(&root, bytes)
    };
    let other = format!("sha256-{}", "0".repeat(64));
    let blake3 = format!("blake3-{}", hex::encode(HashAlgorithm::Blake3.digest(&bytes)));
    let entry = bytes.len() - 36;
    for (request, code) in [
        (put(&other, bytes.clone()), "manifest_digest_mismatch"),
        (put(&blake3, bytes.clone()), "manifest_digest_mismatch"),
        (put(&root, Vec::new()), "invalid_manifest"),
        (put(&root, bytes[..bytes.len() - 1].to_vec()), "invalid_manifest"),
        (put(&root, b"x".to_vec()), "invalid_manifest"),
        (changed(7, 2), "unsupported_manifest_version"),
        (changed(9, 1), "invalid_manifest"),
        (changed(entry + 3, 0x40), "chunk_sequence_invalid"),
    ] {
        server.send(&request).refused(400, code);
    }
    // A chunk of another length than it has: of both the chunk and the file, so that the manifest is sound.
    let mut chunks = file.chunks().to_vec();
    chunks.last_mut().unwrap().length -= 1;
    let wrong = Manifest::new(file.profile(), chunks).unwrap();
    let refusal = server.send(&commit(&wrong)).refused(400, "chunk_length_mismatch");
    assert_eq!(refusal["chunk"], named[named.len() - 1]);
    assert_eq!(get(server, "/v1/files").json()["files"].as_array().unwrap().len(), 1);
}

pub(crate) fn a_range_is_a_slice(server: &dyn Server) {
    let data = mixed(500_000, 13);
    let root = upload(server, &data, SHA256);
    let file = format!("/v1/files/{root}");
    let length = data.len();
    let mut lot = noise(8 * 300, 99)
        .chunks(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
        .collect::<Vec<_>>()
        .into_iter();
    let mut ranges =
        vec![(0, 0), (0, length - 1), (length - 1, length - 1), (1, length * 2), (16_383, 16_384)];
    while let (Some(first), Some(span)) = (lot.next(), lot.next()) {
        let first = usize::try_from(first).unwrap() % length;
        ranges.push((first, first + usize::try_from(span).unwrap() % [1, 100, 70_000][first % 3]));
    }
    for (first, last) in ranges {
        let end = (last + 1).min(length);
        for range in
            [format!("bytes={first}-{last}"), format!("bytes={first}-"), format!("bytes=-{}", length - first)]
        {
            let open = !range.ends_with(&format!("-{last}")) || range.starts_with("bytes=-");
            if open && length - first > 100_000 {
                continue; // seen often enough
            }
            let end = if open { length } else { end };
            let answer = server.send(&Sent::new("GET", &file).with("Range", &range));
            let expected = format!("bytes {first}-{}/{length}", end - 1);
            assert_eq!(answer.header("content-range"), Some(expected.as_str()), "{range}");
            assert_eq!(answer.header("content-length"), Some((end - first).to_string().as_str()));
            assert!(answer.ok(206) == data[first..end], "{range}");
        }
    }
    for range in
        [format!("bytes={length}-"), "bytes=-0".to_owned(), "bytes=999999999999999999999-".to_owned()]
    {
        let answer = server.send(&Sent::new("GET", &file).with("Range", &range));
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{length}").as_str()));
        answer.refused(416, "range_not_satisfiable");
    }
    let tag = format!("\"{root}\"");
    for (headers, status) in [
        (vec![("Range", "bytes=0-1,3-4")], 200),
        (vec![("Range", "bytes=5-4")], 200),
        (vec![("Range", "items=0-1")], 200),
        (vec![("Range", "bytes=0-1"), ("If-Range", tag.as_str())], 206),
        (vec![("Range", "bytes=0-1"), ("If-Range", "\"other\"")], 200),
        (vec![("If-None-Match", tag.as_str())], 304),
        (vec![("If-None-Match", "*"), ("Range", "bytes=0-1")], 304),
        (vec![("If-None-Match", "\"other\"")], 200),
    ] {
        let request =
            headers.iter().fold(Sent::new("GET", &file), |sent, (name, value)| sent.with(name, value));
        let answer = server.send(&request);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        let body = answer.ok(status);
        let expected = [(200, length), (206, 2), (304, 0)].into_iter().find(|(s, _)| *s == status).unwrap().1;
        assert_eq!(body.len(), expected, "{headers:?}");
    }
}

pub(crate) fn a_head_request_has_the_head_of_get_and_no_body(server: &dyn Server) {
    let data = mixed(100_000, 14);
    let root = upload(server, &data, SHA256);
    let chunk = manifest(&data, SHA256).chunks()[0].hash_hex();
    for target in [
        "/v1".to_owned(),
        "/v1/usage".to_owned(),
        "/v1/files".to_owned(),
        format!("/v1/files/{root}"),
        format!("/v1/files/{root}?name=a.txt&type=text/plain"),
        format!("/v1/files/{root}/chunks?end=5000"),
        format!("/v1/manifests/{root}"),
        format!("/v1/chunks/sha256/{chunk}"),
    ] {
        let headers = |answer: &Received| -> BTreeMap<String, String> {
            let headers = answer.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
            headers.filter(|(name, _)| name != "date").collect()
        };
        let (got, head) = (get(server, &target), server.send(&Sent::new("HEAD", &target)));
        assert_eq!((head.status, headers(&head)), (200, headers(&got)), "{target}");
        assert_eq!(got.header("content-length"), Some(got.body.len().to_string().as_str()), "{target}");
        assert!(head.body.is_empty());
    }
    let range = Sent::new("HEAD", &format!("/v1/files/{root}")).with("Range", "bytes=0-0");
    assert_eq!(server.send(&range).status, 200, "ranges are for GET alone");
}

pub(crate) fn every_answer_forbids_guessing_its_type(server: &dyn Server) {
    let root = upload(server, b"<script>alert(1)</script>", SHA256);
    for request in [
        Sent::new("GET", "/v1"),
        Sent::new("GET", "/nowhere"),
        Sent::new("OPTIONS", "/v1/files"),
        Sent::new("GET", &format!("/v1/files/{root}")),
        Sent::new("GET", &format!("/v1/files/{root}?type=text/plain&name=%3Cb%3E")),
        Sent::new("DELETE", &format!("/v1/files/{root}")),
    ] {
        let answer = server.send(&request);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{request:?}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{request:?}");
    }
}

pub(crate) fn a_file_is_presented_as_asked_within_safe_bounds(server: &dyn Server) {
    let root = upload(server, b"hello", SHA256);
    let file = |query: &str| get(server, &format!("/v1/files/{root}{query}"));
    for (query, content_type, disposition) in [
        ("", "application/octet-stream", None),
        ("?type=video/mp4", "video/mp4", None),
        ("?type=text%2Fplain", "text/plain; charset=utf-8", None),
        ("?name=a%20b.txt", "application/octet-stream", Some("attachment; filename=\"a b.txt\"")),
        ("?name=%C3%A9&type=image/png", "image/png", Some("inline; filename=\"_\"; filename*=UTF-8''%C3%A9")),
        ("?name=..%2F%0Ax", "application/octet-stream", Some("attachment; filename=\"..__x\"")),
    ] {
        let answer = file(query);
        assert_eq!(answer.header("content-type"), Some(content_type), "{query}");
        assert_eq!(answer.header("content-disposition"), disposition, "{query}");
        assert_eq!(answer.header("content-security-policy"), Some("sandbox"));
        assert_eq!(answer.ok(200), b"hello");
    }
    for query in ["?type=text/html", "?type=image/svg%2Bxml", "?name=", "?name=a&name=b"] {
        file(query).refused(400, "invalid_query");
    }
}

pub(crate) fn files_are_listed_in_pages_and_deleted(server: &dyn Server) {
    let mut roots: Vec<String> = (0..7).map(|seed| upload(server, &noise(100 + seed, 50), SHA256)).collect();
    roots.push(upload(server, b"", HashAlgorithm::Blake3));
    roots.sort();
    for limit in [1, 3, 7, 8, 9, 1000] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = get(server, &format!("/v1/files?limit={limit}{after}")).json();
            let files = page["files"].as_array().unwrap();
            assert!(files.len() <= limit && !files.is_empty());
            for file in files {
                assert!(file["length"].is_u64());
                let committed = file["committed"].as_str().unwrap();
                assert!(committed.starts_with("20") && committed.ends_with('Z') && committed.len() == 20);
                found.push(file["root"].as_str().unwrap().to_owned());
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(found, roots, "{limit}");
    }
    let usage = get(server, "/v1/usage").json();
    assert_eq!((&usage["files"], &usage["doomedPacks"]), (&8.into(), &0.into()));
    assert!(usage["packs"].as_u64() >= Some(1) && usage["bytes"].is_u64() && usage["chunks"].is_u64());
    let file = format!("/v1/files/{}", roots[0]);
    assert!(server.send(&Sent::new("DELETE", &file)).ok(204).is_empty());
    server.send(&Sent::new("DELETE", &file)).refused(404, "root_not_found");
    get(server, &file).refused(404, "root_not_found");
    assert_eq!(get(server, "/v1/files").json()["files"].as_array().unwrap().len(), 7);
}

/// Flips a bit of the byte at `offset` from where these bytes are stored.
fn damage(store: &Path, stored: &[u8], offset: usize) {
    let mut damaged = 0;
    for entry in std::fs::read_dir(store.join("packs")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(32).position(|window| window == &stored[..32]) {
            bytes[at + offset] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
}

pub(crate) fn damaged_bytes_are_never_sent(server: &dyn Server) {
    let data = noise(6_000_000, 15);
    let root = upload(server, &data, SHA256);
    let manifest = manifest(&data, SHA256);
    let chunks = manifest.chunks();
    let bad = chunks.len() * 3 / 4;
    damage(server.store(), chunks[bad].slice(&data).unwrap(), 0);

    let file = format!("/v1/files/{root}");
    let cut = get(server, &file);
    assert_eq!((cut.status, cut.whole), (200, false), "it is cut");
    assert!(cut.body.len() <= usize::try_from(chunks[bad].offset).unwrap() && data.starts_with(&cut.body));

    let at = format!("bytes={}-{}", chunks[bad].offset, chunks[bad].offset + 5);
    server.send(&Sent::new("GET", &file).with("Range", &at)).refused(500, "chunk_damaged");
    let before = format!("bytes=0-{}", chunks[bad].offset - 1);
    let good = server.send(&Sent::new("GET", &file).with("Range", &before)).ok(206);
    assert!(data.starts_with(&good));

    let digests: Vec<_> = chunks.iter().map(|chunk| chunk.hash).collect();
    let read = |digests: &[[u8; 32]]| server.send(&read_chunks(SHA256, digests));
    let cut = read(&digests);
    assert_eq!((cut.status, cut.whole), (200, false), "it is cut");
    read(&digests[bad..=bad]).refused(500, "chunk_damaged");
    read(&digests[..bad]).ok(200);
    let one = get(server, &format!("/v1/chunks/sha256/{}", chunks[bad].hash_hex()));
    assert_eq!(one.refused(500, "chunk_damaged")["chunk"], chunks[bad].hash_hex());

    let root = upload(server, b"a file that nobody has read", SHA256);
    let file = format!("/v1/files/{root}");
    let path = server.store().join("manifests").join(&root);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    get(server, &file).refused(500, "manifest_damaged");
    get(server, &format!("/v1/manifests/{root}")).refused(500, "manifest_damaged");
}

/// Flips a bit of a chunk that is stored as it is, and gives it the checksum that belongs to the wrong bytes.
fn forge(store: &Path, chunk: &Chunk) {
    for entry in std::fs::read_dir(store.join("packs")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let entries = parse_footer(&bytes, bytes.len() as u64).unwrap();
        if let Some(entry) = entries.iter().find(|entry| entry.id.digest == chunk.digest) {
            let start = entry.place.offset as usize;
            let end = start + entry.place.stored as usize;
            bytes[start] ^= 1;
            let sum = checksum(entry, &bytes[start..end]);
            bytes[end..end + sum.len()].copy_from_slice(&sum);
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

fn read_chunk(server: &dyn Server, digest: [u8; 32], query: &str) -> Received {
    server.send(&Sent::new("POST", &format!("/v1/chunks/sha256/read{query}")).body(digest.to_vec()))
}

pub(crate) fn a_client_that_finds_a_chunk_wrong_has_the_server_verify_it(server: &dyn Server) {
    for (seed, query) in [(50, "?verify=digest"), (51, "?encoding=zstd&verify=digest")] {
        let chunk = Chunk::raw(SHA256, &noise(20_000, seed));
        server.send(&write_pack(SHA256, std::slice::from_ref(&chunk))).ok(200);
        assert!(unpack(&read_chunk(server, chunk.digest, query).ok(200))[0].encoded == chunk.encoded);
        forge(server.store(), &chunk);
        read_chunk(server, chunk.digest, query).refused(500, "chunk_damaged");
        assert_eq!(missing(server, SHA256, &[chunk.digest]), [true], "an upload can replace it");
        server.send(&write_pack(SHA256, std::slice::from_ref(&chunk))).ok(200);
        assert!(unpack(&read_chunk(server, chunk.digest, query).ok(200))[0].encoded == chunk.encoded);
    }
    let compressed = Chunk::zstd(SHA256, &[7; 20_000]);
    server.send(&write_pack(SHA256, std::slice::from_ref(&compressed))).ok(200);
    let read = unpack(&read_chunk(server, compressed.digest, "?encoding=zstd&verify=digest").ok(200));
    assert!(read[0].encoded == [7; 20_000], "a verified chunk is not encoded");
    read_chunk(server, compressed.digest, "?verify=yes").refused(400, "invalid_query");
}

pub(crate) fn a_chunk_is_damaged_if_its_bytes_are_and_not_if_its_checksum_is(server: &dyn Server) {
    let random = |seed| Chunk::raw(SHA256, &noise(20_000, seed));
    let compressible = |seed| {
        let bytes: Vec<u8> = noise(20_000, seed).into_iter().map(|byte| byte & 0x11).collect();
        Chunk::zstd(SHA256, &bytes)
    };
    let chunks: [Chunk; 8] = std::array::from_fn(|index| match index as u64 {
        seed if index < 4 => random(seed + 30),
        seed => compressible(seed + 30),
    });
    server.send(&write_pack(SHA256, &chunks)).ok(200);
    for (index, Chunk { digest, encoded, .. }) in chunks.iter().enumerate() {
        // Whoever finds a copy damaged tells the others: each chunk is read in one form.
        let query = ["", "?encoding=zstd"][index % 2];
        if index % 4 < 2 {
            damage(server.store(), encoded, encoded.len() - 1);
            read_chunk(server, *digest, query).refused(500, "chunk_damaged");
        } else {
            let before = read_chunk(server, *digest, query).ok(200);
            damage(server.store(), encoded, encoded.len());
            assert_eq!(read_chunk(server, *digest, query).ok(200), before);
        }
    }
}

pub(crate) fn options_says_what_is_possible(server: &dyn Server) {
    let root = format!("sha256-{}", "0".repeat(64));
    for (target, methods) in [
        ("/v1".to_owned(), "GET, HEAD, OPTIONS"),
        ("/v1/packs/sha256".to_owned(), "POST, OPTIONS"),
        (format!("/v1/manifests/{root}"), "GET, HEAD, PUT, OPTIONS"),
        (format!("/v1/files/{root}"), "GET, HEAD, DELETE, OPTIONS"),
        (format!("/v1/files/{root}/chunks"), "GET, HEAD, OPTIONS"),
    ] {
        let answer = server.send(&Sent::new("OPTIONS", &target).with("Origin", "https://example.org"));
        assert_eq!((answer.status, answer.header("allow")), (204, Some(methods)), "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "only its own pages may ask");
    }
    server.send(&Sent::new("OPTIONS", "/v1/nothing")).refused(404, "not_found");
}

/// Makes a test of each law, for the server that `$start` returns.
macro_rules! laws {
    ($start:path) => {
        suite::laws!($start =>
            what_is_uploaded_can_be_read
            the_server_says_what_it_is
            a_bit_is_set_where_a_chunk_is_missing
            any_split_of_a_body_gives_the_same_answer
            chunks_are_read_in_the_order_asked
            a_download_is_a_manifest_and_the_chunks_of_a_part
            a_file_that_is_expected_to_be_known_or_sent_is_asked_about_first
            a_wrong_pack_is_refused_and_leaves_nothing
            a_head_is_refused_before_its_body
            what_is_not_stored_is_not_found
            a_manifest_is_stored_only_if_all_of_it_is_right
            a_range_is_a_slice
            a_head_request_has_the_head_of_get_and_no_body
            every_answer_forbids_guessing_its_type
            a_file_is_presented_as_asked_within_safe_bounds
            files_are_listed_in_pages_and_deleted
            damaged_bytes_are_never_sent
            a_client_that_finds_a_chunk_wrong_has_the_server_verify_it
            a_chunk_is_damaged_if_its_bytes_are_and_not_if_its_checksum_is
            options_says_what_is_possible
        );
    };
    ($start:path => $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                suite::$law(&$start());
            }
        )*
    };
}
pub(crate) use laws;
