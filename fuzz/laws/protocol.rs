//! Whatever a client sends, in whatever pieces: the engine answers, the same for any split; a pack is stored
//! whole if it is what it says, else nothing of it; and all memory is given back.

use bytes::Bytes;
use chunker::Profile;
use chunker::compression::{Codec, DecompressionLimits, decompress};
use chunker::hashing::HashAlgorithm;
use chunker::manifest::Manifest;
use chunker_store::host::Host;
use chunker_store::protocol::{Answer, AnswerBody, Begun, Engine, EngineOptions, RequestHead};
use chunker_store::{CacheFolder, Store, StoreOptions};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

/// What requests ask for; `@` is the root of an empty file, `#` the digest of a chunk that is stored.
const TARGETS: [(&str, &str); 17] = [
    ("POST", "/v1/packs/sha256"),
    ("POST", "/v1/packs/blake3"),
    ("POST", "/v1/chunks/sha256/missing"),
    ("POST", "/v1/chunks/blake3/read?encoding=zstd"),
    ("POST", "/v1/chunks/sha256/read"),
    ("PUT", "/v1/manifests/@"),
    ("GET", "/v1/files/@"),
    ("GET", "/v1/manifests/@"),
    ("DELETE", "/v1/files/@"),
    ("GET", "/v1/files?limit=2"),
    ("GET", "/v1/chunks/sha256/#"),
    ("OPTIONS", "/v1"),
    ("GET", "/v1/usage"),
    ("HEAD", "/v1/files/@?name=a&type=text/plain"),
    ("PUT", "/v1/manifests/@?expect=known"),
    ("PUT", "/v1/manifests/@?expect=sent"),
    ("GET", "/v1/files/@/chunks?encoding=zstd&start=0&end=9"),
];

/// The chunk that is stored at the start.
const STORED: &[u8] = b"a chunk that is stored";

/// The first byte chooses the target, or from 0x80 on that the target is text up to a line feed; the second
/// chooses what else is in the head, the third the split; the others are the body.
pub(crate) fn check(input: &[u8]) {
    let Some((&[target, headers, split], mut rest)) = input.split_first_chunk() else { return };
    let (method, mut path) = TARGETS[usize::from(target) % TARGETS.len()];
    let own;
    if target >= 0x80 {
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        own = String::from_utf8_lossy(&rest[..end]).into_owned();
        path = &own;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let digest = HashAlgorithm::Sha256.digest(STORED);
    let empty = Manifest::new(Profile::SMALL, Vec::new()).expect("a file of nothing");
    let root = format!("sha256-{}", hex_of(&empty.root_digest()));
    let path = path.replace('@', &root).replace('#', &hex_of(&digest));
    let mut head = RequestHead::new(method, path, [("Content-Type", "application/octet-stream")]);
    let length = if headers & 1 == 0 { rest.len() } else { rest.len() + usize::from(headers) };
    for (bit, name, value) in [
        (0x80, "Content-Length", length.to_string()),
        (0x02, "Range", format!("bytes={}-{}", split, headers)),
        (0x04, "If-None-Match", "*".to_owned()),
        (0x08, "Content-Encoding", "gzip".to_owned()),
        (0x10, "Transfer-Encoding", "chunked".to_owned()),
    ] {
        if (headers & bit != 0) != (bit == 0x80) {
            head.headers.push((name.to_owned(), value)); // a length, unless asked not to
        }
    }
    let whole = Server::new().answer(&head, rest, rest.len().max(1));
    let server = Server::new();
    let pieces = server.answer(&head, rest, usize::from(split) + 1);
    assert_eq!(whole.0, pieces.0, "another split, another answer");
    if whole.0 >= 400 {
        // What zstd says of a damaged frame depends on the frames before it; its code does not.
        assert_eq!(code_of(&whole.1), code_of(&pieces.1), "another split, another refusal");
    } else if path_has_time(&head) {
        assert_eq!(whole.1.len(), pieces.1.len());
    } else {
        assert_eq!(whole.1, pieces.1);
    }
    assert!((200..=511).contains(&whole.0), "{}", whole.0);
    let packs = server.packs();
    let algorithm = match head.target.as_str() {
        "/v1/packs/sha256" => HashAlgorithm::Sha256,
        "/v1/packs/blake3" => HashAlgorithm::Blake3,
        _ => {
            assert_eq!(packs, 1);
            return;
        }
    };
    if method == "POST" && whole.0 == 200 {
        let chunks = chunks(rest, algorithm).expect("what is accepted is a pack");
        assert_eq!(packs, 2);
        for (digest, chunk) in chunks {
            let stored = at_once(server.store.get(algorithm, digest)).expect("the store is sound");
            assert_eq!(stored.as_deref(), Some(chunk.as_slice()), "what was acknowledged is stored");
        }
    } else {
        assert_eq!(packs, 1, "nothing is stored of what is refused");
        if method == "POST" && headers & 0x99 == 0 && rest.len() < 1 << 20 {
            assert!(chunks(rest, algorithm).is_none(), "a sound pack was refused: {}", whole.0);
        }
    }
}

fn hex_of(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The code in a refusal's JSON.
fn code_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("\"code\":\"").and_then(|(_, rest)| rest.split_once('"'));
    code.map(|(code, _)| code.to_owned()).unwrap_or_default()
}

/// Lists have times in them.
fn path_has_time(head: &RequestHead) -> bool {
    head.target.starts_with("/v1/files?") || head.target == "/v1/files"
}

/// The chunks of a pack, by another reading of the page.
fn chunks(pack: &[u8], algorithm: HashAlgorithm) -> Option<Vec<([u8; 32], Vec<u8>)>> {
    let number = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize);
    let rest = pack.strip_prefix(b"CPK1")?;
    let count = number(rest.get(..4)?)?;
    let table = rest.get(4..4 + count.checked_mul(40)?)?;
    let mut body = &rest[4 + table.len()..];
    let mut found: Vec<([u8; 32], Vec<u8>)> = Vec::new();
    for row in table.chunks(40) {
        let (length, encoded) = (number(&row[32..36])?, number(&row[36..])?);
        let bytes = body.get(..encoded)?;
        body = &body[encoded..];
        let digest = row[..32].try_into().ok()?;
        let limits = DecompressionLimits::default().with_max_output(length as u64).with_max_window_log(23);
        let chunk = match encoded {
            _ if encoded == 0 || encoded > length || length > 16 << 20 => return None,
            _ if encoded == length => bytes.to_vec(),
            _ => decompress(Codec::Zstd, bytes, limits).ok()?,
        };
        let twice = found.iter().any(|(other, _)| *other == digest);
        if chunk.len() != length || algorithm.digest(&chunk) != digest || twice {
            return None;
        }
        found.push((digest, chunk));
    }
    (body.is_empty() && !found.is_empty() && count <= 16 << 10).then_some(found)
}

struct Server {
    engine: Engine,
    store: Store,
}

impl Server {
    /// Returns a server with one chunk in one pack.
    fn new() -> Self {
        let options = StoreOptions::new().cache(CacheFolder::None).level(1);
        let host = Arc::new(Inline(Mutex::new(0)));
        let objects = Arc::new(InMemory::new());
        let opened = Store::over(objects, Path::from("store"), "memory://fuzz", host, options);
        let store = at_once(opened).expect("there is memory");
        let mut writer = store.pack_writer(HashAlgorithm::Sha256);
        let digest = HashAlgorithm::Sha256.digest(STORED);
        at_once(async {
            writer.add(digest, Bytes::from_static(STORED)).await.expect("it has its digest");
            writer.seal().await.expect("there is memory");
        });
        Self { engine: Engine::new(EngineOptions::new()).expect("the default is valid"), store }
    }

    fn packs(&self) -> u64 {
        at_once(self.store.usage()).expect("there is memory").packs
    }

    fn answer(&self, head: &RequestHead, body: &[u8], split: usize) -> (u16, Vec<u8>) {
        let answer = at_once(self.exchange(head, body, split));
        let status = answer.status;
        let length = answer.header("content-length").map(|length| length.parse::<usize>().expect("a number"));
        let body = match answer.body {
            AnswerBody::Empty => Vec::new(),
            AnswerBody::Bytes(bytes) => bytes.to_vec(),
            AnswerBody::Stream(pieces) => at_once(pieces.collect::<Vec<_>>())
                .into_iter()
                .flat_map(|piece| piece.expect("the store is sound"))
                .collect(),
        };
        let has_body = head.method != "HEAD" && !matches!(status, 204 | 304);
        assert!(!has_body || length == Some(body.len()), "{length:?} for {}", body.len());
        assert_eq!(self.engine.memory_taken(), 0, "all memory is given back");
        (status, body)
    }

    async fn exchange(&self, head: &RequestHead, body: &[u8], split: usize) -> Answer {
        let request = match self.engine.begin(head) {
            Begun::Answer(answer) => return answer,
            Begun::Request(request) => request,
        };
        let mut exchange = match request.start(&self.store).await {
            Ok(exchange) => exchange,
            Err(answer) => return *answer,
        };
        for piece in body.chunks(split) {
            if !exchange.needs_body() {
                break;
            }
            if let Err(answer) = exchange.push(Bytes::copy_from_slice(piece)).await {
                return *answer;
            }
        }
        exchange.finish().await
    }
}

/// A machine that does everything at once, in the caller's thread.
#[derive(Debug)]
struct Inline(Mutex<u64>);

impl Inline {
    fn tick(&self) -> u64 {
        let mut ticks = self.0.lock().expect("nobody panics with it");
        *ticks += 1;
        *ticks
    }
}

impl Host for Inline {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            let digest = HashAlgorithm::Blake3.digest(&self.tick().to_le_bytes());
            chunk.copy_from_slice(&digest[..chunk.len()]);
        }
        Ok(())
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        at_once(task);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn parallelism(&self) -> usize {
        1
    }
}

/// Returns what a future gives that waits for nothing but what is done at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it waits for what never comes");
}
