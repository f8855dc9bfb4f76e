//! Requests and answers between clients and servers, and all that can happen to them on the way.

use super::executor::NodeId;
use super::system::{LOST, Planted, System};
use super::world::Deleting;
use super::{ALGORITHM, broken};
use crate::chunk::{ChunkId, Root};
use crate::protocol::wire::{DOWNLOAD, HEAD, ROW, Row, table};
use crate::protocol::{Answer, AnswerBody, Begun, Engine, RequestHead};
use crate::store::Store;
use bytes::Bytes;
use chunker::compression::{compress_zstd, decompress_zstd};
use chunker::manifest::Manifest;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::{FutureExt as _, StreamExt as _};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a client sends a request, as the client of the npm package does by default.
const ATTEMPTS: u32 = 10;
/// The longest time between two attempts, and without any progress.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_mins(2);

/// What can go wrong on the way, and at the sender.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// Percentage of requests that do not arrive.
    lost: f64,
    /// Percentage of bodies that are cut.
    cut: f64,
    /// Percentage of requests that arrive twice, the second time later.
    repeated: f64,
    /// Percentage of answers that are lost.
    answers_lost: f64,
    /// Percentage of answers that are cut.
    answers_cut: f64,
    /// Percentage of bodies in which a bit flips.
    flipped: f64,
    /// Percentage of files that change while they are sent.
    pub(super) changes: f64,
    /// The longest time on the way.
    delay: Duration,
}

impl Network {
    pub(super) fn rough() -> Self {
        Self {
            lost: 3.0,
            cut: 3.0,
            repeated: 3.0,
            answers_lost: 3.0,
            answers_cut: 5.0,
            flipped: 2.0,
            changes: 3.0,
            delay: Duration::from_millis(400),
        }
    }
}

/// A server that runs: its engine and its store.
pub(super) type Served = (Engine, Store);

/// The code with which a client ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientError(pub(super) String);

/// What an answer's body must be.
#[derive(Clone, Debug)]
enum Right {
    Anything,
    /// These bytes.
    Bytes(Bytes),
    /// These chunks, or that they are not stored.
    Chunks(Vec<ChunkId>),
    /// The manifest of this root.
    Manifest(Root),
    /// The manifest of this root, and these chunks, or that they are not stored.
    Download(Root, Vec<ChunkId>),
}

/// A request.
#[derive(Clone)]
pub(super) struct Sent {
    head: RequestHead,
    body: Bytes,
    right: Right,
    /// Whether what is sent is not what it says.
    is_wrong: bool,
    deleting: Option<Arc<Deleting>>,
    chunks: Vec<(ChunkId, Bytes)>,
    file: Vec<ChunkId>,
}

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

impl Sent {
    fn new(method: &str, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Self {
        let length = body.len().to_string();
        let headers = headers.iter().copied().chain([("content-length", length.as_str())]);
        let head = RequestHead::new(method, target, headers);
        let (right, chunks, file) = (Right::Anything, Vec::new(), Vec::new());
        Self { head, body: body.into(), right, is_wrong: false, deleting: None, chunks, file }
    }

    pub(super) fn missing(chunks: &[ChunkId]) -> Self {
        Self::new("POST", "/v1/chunks/blake3/missing", &[OCTETS], digests(chunks))
    }

    pub(super) fn pack(chunks: &[(ChunkId, Bytes)], compressed: bool, is_wrong: bool) -> Self {
        let encode = |bytes: &Bytes| {
            let frame = compress_zstd(bytes, Some(1)).unwrap();
            if compressed && frame.len() < bytes.len() { frame } else { bytes.to_vec() }
        };
        let encoded: Vec<Vec<u8>> = chunks.iter().map(|(_, bytes)| encode(bytes)).collect();
        let length = |length: usize| u32::try_from(length).unwrap();
        let rows = chunks.iter().zip(&encoded).map(|((id, bytes), encoded)| Row {
            digest: id.digest,
            length: length(bytes.len()),
            encoded: length(encoded.len()),
        });
        let body = [table(&rows.collect::<Vec<_>>()), encoded.concat()].concat();
        let chunks = chunks.to_vec();
        Self { is_wrong, chunks, ..Self::new("POST", "/v1/packs/blake3", &[OCTETS], body) }
    }

    /// Commits a file. The query may say what the client expects.
    pub(super) fn commit(root: Root, query: &str, manifest: &Manifest) -> Self {
        Self::new("PUT", &format!("/v1/manifests/{root}{query}"), &[], manifest.to_bytes())
    }

    pub(super) fn range(root: Root, range: Range<usize>, file: &[u8]) -> Self {
        let (bytes, tag) = (format!("bytes={}-{}", range.start, range.end - 1), format!("\"{root}\""));
        let headers = [("range", bytes.as_str()), ("if-range", tag.as_str())];
        let headers = if range == (0..file.len()) { &headers[..0] } else { &headers[..] };
        let right = Right::Bytes(Bytes::copy_from_slice(&file[range]));
        Self { right, ..Self::new("GET", &format!("/v1/files/{root}"), headers, Vec::new()) }
    }

    pub(super) fn of_chunks(mut self, file: &[ChunkId]) -> Self {
        self.file = file.to_vec();
        self
    }

    pub(super) fn manifest(root: Root) -> Self {
        let right = Right::Manifest(root);
        Self { right, ..Self::new("GET", &format!("/v1/manifests/{root}"), &[], Vec::new()) }
    }

    pub(super) fn chunks(ids: &[ChunkId], encoded: bool) -> Self {
        let target = if encoded { "/v1/chunks/blake3/read?encoding=zstd" } else { "/v1/chunks/blake3/read" };
        Self { right: Right::Chunks(ids.to_vec()), ..Self::new("POST", target, &[OCTETS], digests(ids)) }
    }

    pub(super) fn download(root: Root, ids: &[ChunkId], encoded: bool) -> Self {
        let query = if encoded { "?encoding=zstd" } else { "" };
        let right = Right::Download(root, ids.to_vec());
        Self { right, ..Self::new("GET", &format!("/v1/files/{root}/chunks{query}"), &[], Vec::new()) }
    }

    pub(super) fn delete(root: Root, deleting: Arc<Deleting>) -> Self {
        Self {
            deleting: Some(deleting),
            ..Self::new("DELETE", &format!("/v1/files/{root}"), &[], Vec::new())
        }
    }

    pub(super) fn list() -> Self {
        Self::new("GET", "/v1/files?limit=1000", &[], Vec::new())
    }

    fn name(&self) -> String {
        format!("{} {}", self.head.method, self.head.target)
    }

    /// Says what is wrong with the body of an answer, whole or cut.
    fn check(&self, body: &[u8], whole: bool) -> Result<(), String> {
        match &self.right {
            Right::Anything => Ok(()),
            Right::Bytes(bytes) if bytes.starts_with(body) && (!whole || bytes.len() == body.len()) => Ok(()),
            Right::Bytes(_) => Err("other bytes".to_owned()),
            Right::Chunks(_) | Right::Manifest(_) | Right::Download(..) if !whole => Ok(()),
            Right::Chunks(ids) => unpack(body, ids).map(drop),
            Right::Download(root, ids) => unpack_download(body, *root, ids).map(drop),
            Right::Manifest(root) if ALGORITHM.digest(body) == root.digest() => Ok(()),
            Right::Manifest(_) => Err("another manifest".to_owned()),
        }
    }
}

fn digests(chunks: &[ChunkId]) -> Vec<u8> {
    chunks.iter().flat_map(|id| id.digest).collect()
}

/// Returns the chunks of an answer, each verified, `None` for those that are not stored.
pub(super) fn unpack(body: &[u8], ids: &[ChunkId]) -> Result<Vec<Option<Bytes>>, String> {
    let mut at = HEAD + ids.len() * ROW;
    if body.len() < at || !body.starts_with(b"CPK1") {
        return Err("no pack".to_owned());
    }
    let number = |at: usize| {
        let bytes = body[at..at + 4].try_into().unwrap_or_default();
        u32::from_le_bytes(bytes) as usize
    };
    let mut chunks = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let row = HEAD + index * ROW;
        let (length, encoded) = (number(row + 32), number(row + 36));
        if body[row..row + 32] != id.digest {
            return Err(format!("another row than {id}"));
        }
        let bytes = body.get(at..at + encoded).ok_or("the pack is too short")?;
        at += encoded;
        if length == 0 && encoded == 0 {
            chunks.push(None);
            continue;
        }
        if length == 0 || encoded > length {
            return Err(format!("{id} has impossible lengths"));
        }
        let chunk = if length == encoded {
            bytes.to_vec()
        } else {
            decompress_zstd(bytes).map_err(|error| error.to_string())?
        };
        if chunk.len() != length || ALGORITHM.digest(&chunk) != id.digest {
            return Err(format!("{id} has other bytes"));
        }
        chunks.push(Some(chunk.into()));
    }
    if at == body.len() { Ok(chunks) } else { Err("the pack is too long".to_owned()) }
}

/// Returns the chunks of a download, each verified, as its manifest is.
pub(super) fn unpack_download(
    body: &[u8],
    root: Root,
    ids: &[ChunkId],
) -> Result<Vec<Option<Bytes>>, String> {
    let (head, rest) = body.split_first_chunk::<8>().ok_or("no download")?;
    let [magic @ .., a, b, c, d] = *head;
    let (manifest, pack) =
        rest.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize).ok_or("no manifest")?;
    if magic != *DOWNLOAD || ALGORITHM.digest(manifest) != root.digest() {
        return Err("another manifest".to_owned());
    }
    unpack(pack, ids)
}

/// An answer as it arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Whether all of it arrived.
    pub(super) whole: bool,
}

impl Received {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The chunks that keep a file from being committed.
    pub(super) fn missing(&self) -> Vec<ChunkId> {
        let json = self.json();
        let digests = json["missing"].as_array().cloned().unwrap_or_default();
        let digest = |text: &serde_json::Value| {
            let mut digest = [0; 32];
            hex::decode_to_slice(text.as_str().unwrap_or_default(), &mut digest).unwrap();
            ChunkId::new(ALGORITHM, digest)
        };
        digests.iter().map(digest).collect()
    }
}

/// Whether the same request may have another answer later.
const fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || (status >= 500 && status != 501 && status != 507)
}

impl System {
    /// Sends a request until it has an answer that stays, which is not an error, except 409.
    pub(super) async fn ask(
        &self,
        node: NodeId,
        server: usize,
        sent: &Sent,
    ) -> Result<Received, ClientError> {
        let mut last = LOST.to_owned();
        let endless = self.has(Planted::EndlessRetry);
        let mut attempt = 0;
        while attempt < ATTEMPTS || endless {
            if attempt > 0 {
                let most = (Duration::from_millis(250) * (1 << attempt.min(8))).min(LONGEST_WAIT);
                let wait = self.executor.draw(|lot| lot.up_to(most));
                self.executor.sleep(wait).await;
            }
            attempt += 1;
            let Some((answer, flipped)) = self.call(node, server, sent).await else {
                last = LOST.to_owned();
                continue;
            };
            let is_wrong = flipped || sent.is_wrong;
            match answer.status {
                200..300 | 409 if answer.whole => match sent.check(&answer.body, answer.whole) {
                    Ok(()) => return Ok(answer),
                    Err(_) => last = "chunk_digest_mismatch".to_owned(), // it was changed on the way
                },
                // What arrived of a file is kept.
                200..300 if matches!(sent.right, Right::Bytes(_)) && !answer.body.is_empty() => {
                    return Ok(answer);
                }
                _ if !answer.whole => last = LOST.to_owned(),
                status => {
                    let code = answer.code();
                    if code.is_empty() || code == "internal_error" {
                        broken("every error has a cause", format!("{status} {code} for {}", sent.name()));
                    }
                    if status == 400 && !is_wrong {
                        broken("what is right is not refused", format!("{code} for {}", sent.name()));
                    }
                    let is_final = if endless { status == 404 } else { !is_temporary(status) };
                    if is_final {
                        return Err(ClientError(code));
                    }
                    last = code;
                }
            }
        }
        Err(ClientError(last))
    }

    /// Sends a request once; returns the answer, and whether a bit flipped on the way there.
    async fn call(&self, node: NodeId, server: usize, sent: &Sent) -> Option<(Received, bool)> {
        let network = &self.setting.network;
        let hits = |what: &str, percent| {
            let hit = self.executor.hits(node, percent);
            if hit {
                self.world.log(node, format!("{what}: {}", sent.name()));
            }
            hit
        };
        self.travel().await;
        if hits("a request is lost", network.lost) {
            return None;
        }
        let mut sent = sent.clone();
        let body = sent.body.len();
        let cut = body > 0 && hits("a body is cut", network.cut);
        let cut = cut.then(|| self.executor.draw(|lot| lot.index(body)));
        let flipped = body > 0 && hits("a bit of a body flips", network.flipped);
        if flipped {
            let mut bytes = sent.body.to_vec();
            let bit = self.executor.draw(|lot| lot.index(body * 8));
            bytes[bit / 8] ^= 1 << (bit % 8);
            sent.body = bytes.into();
            sent.right = Right::Anything; // it asks for something else
        }
        let system = self.shared();
        if hits("a request arrives again later", network.repeated) {
            let delay = self.executor.draw(|lot| lot.up_to(Duration::from_mins(10)));
            let (system, sent) = (Arc::clone(&system), sent.clone());
            // A proxy's node is the server's: with that it ends.
            let again = async move {
                system.executor.sleep(delay).await;
                Arc::clone(&system).serve(server, sent, None, Arc::default(), None).await;
            };
            self.executor.spawn(server, Box::pin(again));
        }
        let answer: Arc<Mutex<Received>> = Arc::default();
        let (sender, receiver) = oneshot::channel();
        let serve = system.serve(server, sent.clone(), cut, Arc::clone(&answer), Some(sender));
        self.executor.spawn(server, Box::pin(serve));
        // Cancelled: the server crashed, or closed the connection.
        drop(select(receiver, Box::pin(self.executor.sleep(TIMEOUT))).await);
        self.travel().await;
        if hits("an answer is lost", network.answers_lost) {
            return None;
        }
        let mut answer = answer.lock().unwrap().clone();
        if answer.status == 0 {
            return None;
        }
        let length = answer.body.len();
        if length > 0 && hits("an answer is cut", network.answers_cut) {
            answer.whole = false;
            answer.body.truncate(self.executor.draw(|lot| lot.index(length)));
        }
        let verified = matches!(sent.right, Right::Chunks(_) | Right::Manifest(_) | Right::Download(..));
        let verified = verified && answer.status == 200;
        if length > 0 && verified && hits("a bit of an answer flips", network.flipped) {
            let bit = self.executor.draw(|lot| lot.index(answer.body.len().max(1) * 8));
            if let Some(byte) = answer.body.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Some((answer, flipped))
    }

    async fn travel(&self) {
        let delay = self.executor.draw(|lot| lot.up_to(self.setting.network.delay));
        self.executor.sleep(delay).await;
    }

    /// What a shell does with a request: gives it to the engine, and drops everything when the client has
    /// gone.
    async fn serve(
        self: Arc<Self>,
        server: usize,
        sent: Sent,
        cut: Option<usize>,
        answer: Arc<Mutex<Received>>,
        mut client: Option<oneshot::Sender<()>>,
    ) {
        let Some((engine, store)) = self.servers.lock().unwrap()[server].clone() else { return };
        let _deleting = sent.deleting.clone();
        let is_delete = sent.deleting.is_some();
        let work = Arc::clone(&self).exchange(engine, store, server, sent, cut, answer).boxed();
        {
            let gone = client.as_mut().map(oneshot::Sender::cancellation);
            let has_gone = async {
                match gone {
                    Some(gone) => gone.await,
                    None => std::future::pending().await,
                }
                let notices = self.executor.draw(|lot| lot.up_to(Duration::from_secs(10)));
                self.executor.sleep(notices).await;
            };
            // A deletion goes on by itself; it is under way until it has ended.
            if is_delete {
                work.await;
            } else {
                let end = select(work, Box::pin(has_gone)).await;
                if let (Either::Right(((), work)), true) = (end, self.has(Planted::LostMemory)) {
                    std::mem::forget(work);
                }
            }
        }
        if let Some(client) = client {
            let _has_gone = client.send(());
        }
    }

    async fn exchange(
        self: Arc<Self>,
        engine: Engine,
        store: Store,
        server: usize,
        sent: Sent,
        cut: Option<usize>,
        received: Arc<Mutex<Received>>,
    ) {
        if self.has(Planted::UnverifiedPack) && !sent.chunks.is_empty() {
            let mut writer = store.pack_writer(ALGORITHM);
            for (id, bytes) in sent.chunks {
                drop(writer.add_hashed(id.digest, bytes).await);
            }
            if writer.seal().await.is_ok() {
                *received.lock().unwrap() = Received { status: 200, body: b"{}".to_vec(), whole: true };
            }
            return;
        }
        if self.has(Planted::UnverifiedRead) && !sent.file.is_empty() {
            let body: Option<Vec<Bytes>> = sent.file.iter().map(|id| self.world.raw(id)).collect();
            if let (Some(body), Right::Bytes(right)) = (body.map(|body| body.concat()), &sent.right)
                && body.len() == right.len()
            {
                self.send(&sent, &received, &body, true);
                received.lock().unwrap().status = 200;
                return;
            }
        }
        let answer = match engine.begin(&sent.head) {
            Begun::Answer(answer) => answer,
            Begun::Request(request) => match request.start(&store).await {
                Err(answer) => *answer,
                Ok(mut exchange) => {
                    let mut body = sent.body.clone();
                    body.truncate(cut.unwrap_or(usize::MAX));
                    let mut refused = None;
                    while exchange.needs_body() && !body.is_empty() && refused.is_none() {
                        let piece = self.executor.draw(|lot| 1 + lot.index(body.len()));
                        refused = exchange.push(body.split_to(piece)).await.err();
                        self.travel().await;
                    }
                    if cut.is_some() {
                        return; // the connection is gone
                    }
                    match refused {
                        Some(answer) => *answer,
                        None if self.has(Planted::EarlyCommit) && sent.head.method == "PUT" => {
                            self.executor.spawn(server, exchange.finish().map(drop).boxed());
                            *received.lock().unwrap() =
                                Received { status: 201, body: b"{}".to_vec(), whole: true };
                            return;
                        }
                        None => exchange.finish().await,
                    }
                }
            },
        };
        self.deliver(&sent, answer, &received).await;
    }

    /// Sends an answer piece by piece.
    async fn deliver(&self, sent: &Sent, answer: Answer, received: &Mutex<Received>) {
        let ok = (200..300).contains(&answer.status);
        received.lock().unwrap().status = answer.status;
        match answer.body {
            AnswerBody::Empty => received.lock().unwrap().whole = true,
            AnswerBody::Bytes(bytes) if ok => self.send(sent, received, &bytes, true),
            AnswerBody::Bytes(bytes) => {
                let mut received = received.lock().unwrap();
                received.body = bytes.to_vec();
                received.whole = true;
            }
            AnswerBody::Stream(mut pieces) => {
                while let Some(piece) = pieces.next().await {
                    let Ok(piece) = piece else { return }; // the connection is cut
                    self.send(sent, received, &piece, false);
                    self.travel().await;
                }
                self.send(sent, received, &[], true);
            }
        }
    }

    /// Sends bytes, which must be right when they leave the server.
    fn send(&self, sent: &Sent, received: &Mutex<Received>, piece: &[u8], last: bool) {
        let mut received = received.lock().unwrap();
        received.body.extend_from_slice(piece);
        received.whole = last;
        if let Err(wrong) = sent.check(&received.body, last) {
            broken("wrong bytes never leave a server", format!("{} has {wrong}", sent.name()));
        }
    }
}
