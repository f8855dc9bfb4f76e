//! The upload protocol's engine, for servers written in JavaScript.
//!
//! The engine begins a request from its head; the shell authorizes it, and starts it with a store. From then
//! on, the request runs in a task: JavaScript pushes the body into a bounded queue, which needs a promise
//! only when the queue is full, and pulls the answer.

use crate::bytes;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::number::exact;
use crate::runtime::{handle, promise, settle};
use crate::store::{JsStore, Pieces};
use ::bytes::Bytes;
use chunker_store::StoreError;
use chunker_store::protocol::{
    Answer, AnswerBody, Begun, Committed, Engine, EngineOptions, Exchange, Origins, Refusal, Request,
    RequestHead,
};
use napi::Env;
use napi::bindgen_prelude::{Either, Object, PromiseRaw, Uint8ArraySlice};
use napi_derive::napi;
use std::mem::take;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

/// Bytes of a body to pass on together, since each transfer wakes a thread.
const PIECE: usize = 256 << 10;
/// Limit for the pieces in the queue.
const QUEUE: usize = 4;

/// The protocol's engine.
#[napi(js_name = "Engine")]
pub struct JsEngine(Engine);

#[napi]
impl JsEngine {
    /// Returns an engine: see [`EngineOptions`].
    #[napi(constructor, catch_unwind)]
    pub fn new(options: Object<'_>) -> Result<Self, Failure> {
        let fields = Fields(options);
        let options = EngineOptions::new();
        let options = fields.integer("packBytes", options, EngineOptions::pack_bytes)?;
        let options = fields.integer("packLength", options, EngineOptions::pack_length)?;
        let options = fields.integer("packChunks", options, EngineOptions::pack_chunks)?;
        let options = fields.integer("missingDigests", options, EngineOptions::missing_digests)?;
        let options = fields.integer("readDigests", options, EngineOptions::read_digests)?;
        let options = fields.integer("chunkBytes", options, EngineOptions::chunk_bytes)?;
        let options = fields.integer("manifestBytes", options, EngineOptions::manifest_bytes)?;
        let options = fields.integer("memory", options, EngineOptions::memory)?;
        let options = fields.boolean("credentials", options, EngineOptions::credentials)?;
        let options = options.prefix(fields.text("prefix")?.unwrap_or_default());
        let options = options.origins(match fields.texts("origins")? {
            None => Origins::Own,
            Some(origins) if origins == ["*"] => Origins::Any,
            Some(origins) => Origins::These(origins),
        });
        Ok(Self(Engine::new(options)?))
    }

    /// Begins a request from its head; `headers` are names and values in turn.
    #[napi(catch_unwind)]
    pub fn begin(&self, method: String, target: String, headers: Vec<String>) -> Either<JsRequest, JsAnswer> {
        match self.0.begin(&head(method, target, headers)) {
            Begun::Request(request) => Either::A(JsRequest(Some(request))),
            Begun::Answer(answer) => Either::B(answer.into()),
        }
    }

    /// Refuses a request, whatever it asks for, and returns the answer.
    #[napi(catch_unwind)]
    pub fn refuse(
        &self,
        method: String,
        target: String,
        headers: Vec<String>,
        status: u16,
        code: String,
        message: Option<String>,
    ) -> JsAnswer {
        self.0.refuse(&head(method, target, headers), refusal(status, code, message)).into()
    }

    /// Returns the memory that requests have taken of the budget, in bytes.
    #[napi(catch_unwind)]
    pub fn memory_taken(&self) -> f64 {
        exact(self.0.memory_taken())
    }

    /// Returns the number of requests that wait for memory.
    #[napi(catch_unwind)]
    pub fn waiting(&self) -> f64 {
        exact(self.0.waiting() as u64)
    }
}

fn head(method: String, target: String, headers: Vec<String>) -> RequestHead {
    let mut headers = headers.into_iter();
    let mut pairs = Vec::with_capacity(headers.len() / 2);
    while let (Some(name), Some(value)) = (headers.next(), headers.next()) {
        pairs.push((name, value));
    }
    RequestHead::new(method, target, pairs)
}

/// Returns a refusal by the shell. Without a message, it has the engine's for this code.
fn refusal(status: u16, code: String, message: Option<String>) -> Refusal {
    match (message, code.as_str()) {
        (Some(message), _) => Refusal::new(status, code, message),
        (None, "unauthorized") => Refusal::unauthorized("Bearer"),
        (None, "forbidden") => Refusal::forbidden(),
        (None, "read_only") => Refusal::read_only(),
        (None, "request_timeout") => Refusal::request_timeout(),
        (None, "misdirected_request") => Refusal::misdirected(),
        (None, "server_busy") => Refusal::server_busy(),
        (None, "insufficient_storage") => Refusal::insufficient_storage(),
        (None, "internal_error") => Refusal::new(status, code, "the server failed"),
        (None, _) => Refusal::new(status, code, "the server refused the request"),
    }
}

/// A request whose head is well formed.
#[napi(js_name = "Request")]
pub struct JsRequest(
    /// `None` once the request was started.
    Option<Request>,
);

#[napi]
impl JsRequest {
    /// Returns the name of the operation.
    #[napi(catch_unwind)]
    pub fn operation(&self) -> Result<&'static str, Failure> {
        Ok(self.get()?.operation().name())
    }

    /// Returns whether the operation changes the store.
    #[napi(catch_unwind)]
    pub fn writes(&self) -> Result<bool, Failure> {
        Ok(self.get()?.operation().writes())
    }

    /// Returns the file that the request concerns, if any.
    #[napi(catch_unwind)]
    pub fn root(&self) -> Result<Option<String>, Failure> {
        Ok(self.get()?.root().map(|root| root.to_string()))
    }

    /// Returns the length of the body in bytes.
    #[napi(catch_unwind)]
    pub fn body_length(&self) -> Result<f64, Failure> {
        Ok(exact(self.get()?.body_length()))
    }

    /// Starts the request with a store.
    #[napi(catch_unwind)]
    pub fn start(&mut self, store: &JsStore) -> Result<JsExchange, Failure> {
        let request = self.0.take().ok_or(Failure::CLOSED)?;
        let unpushed = request.body_length();
        let store = store.0.clone();
        let (pieces, queue) = mpsc::channel(QUEUE);
        let (ready, started) = oneshot::channel();
        let task = handle()?.spawn(async move {
            Ok(match request.start(&store).await {
                Ok(exchange) => carry_out(exchange, queue, ready).await,
                Err(answer) => *answer,
            })
        });
        let abort = task.abort_handle();
        let pieces = Some((Vec::new(), pieces));
        Ok(JsExchange { started: Some(started), unpushed, pieces, task: Some(task), abort })
    }

    fn get(&self) -> Result<&Request, Failure> {
        self.0.as_ref().ok_or(Failure::CLOSED)
    }
}

/// Takes the pieces of a body from a queue while the exchange needs more, and returns the answer.
async fn carry_out(
    mut exchange: Exchange,
    mut queue: mpsc::Receiver<Bytes>,
    ready: oneshot::Sender<bool>,
) -> Answer {
    ready.send(exchange.needs_body()).unwrap_or_default(); // the receiver is gone if the shell did not ask
    while exchange.needs_body() {
        let Some(piece) = queue.recv().await else { break };
        if let Err(answer) = exchange.push(piece).await {
            return *answer;
        }
    }
    drop(queue);
    exchange.finish().await
}

/// Passes on a piece of a body, and returns whether there is room for another one.
fn send(piece: Vec<u8>, pieces: &mpsc::Sender<Bytes>) -> Result<bool, Failure> {
    match pieces.try_send(piece.into()) {
        Ok(()) => Ok(pieces.capacity() > 0),
        Err(mpsc::error::TrySendError::Full(_)) => {
            Err(Failure::argument("the queue is full: await room() first"))
        }
        Err(mpsc::error::TrySendError::Closed(_)) => Ok(false),
    }
}

/// A request that is being worked on.
#[napi(js_name = "Exchange")]
pub struct JsExchange {
    /// Receives whether a body is needed, once it can be read; `None` once awaited.
    started: Option<oneshot::Receiver<bool>>,
    /// Bytes of the announced body that are still to be pushed.
    unpushed: u64,
    /// The piece being filled, and the queue; `None` after the end of the body.
    pieces: Option<(Vec<u8>, mpsc::Sender<Bytes>)>,
    /// The task that answers; `None` once awaited.
    task: Option<JoinHandle<Result<Answer, Failure>>>,
    abort: AbortHandle,
}

#[napi]
impl JsExchange {
    /// Resolves with whether a body is needed, once it can be read.
    #[napi(catch_unwind)]
    pub fn started<'env>(&mut self, env: &'env Env) -> Result<PromiseRaw<'env, bool>, Failure> {
        let started = self.started.take().ok_or(Failure::CLOSED)?;
        promise(env, async move { Ok(started.await.unwrap_or(false)) }, |_, needs_body| Ok(needs_body))
    }

    /// Appends a copy of `bytes` to the body, and returns whether there is room for more.
    #[napi(catch_unwind)]
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let (piece, pieces) = self.pieces.as_mut().ok_or(Failure::CLOSED)?;
        // A new piece has room for all that will be in it, since growing would copy it.
        let most = PIECE + bytes.len();
        let expected = usize::try_from(self.unpushed).unwrap_or(most).clamp(bytes.len(), most);
        let room = if piece.is_empty() { expected } else { bytes.len() };
        piece.try_reserve(room).map_err(|_| Failure::memory(room))?;
        piece.extend_from_slice(bytes);
        self.unpushed = self.unpushed.saturating_sub(bytes.len() as u64);
        if piece.len() < PIECE { Ok(true) } else { send(take(piece), pieces) }
    }

    /// Resolves with `true` when there is room for more, or with `false` when no more is needed.
    #[napi(catch_unwind)]
    pub fn room<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, bool>, Failure> {
        let (_, pieces) = self.pieces.as_ref().ok_or(Failure::CLOSED)?;
        let pieces = pieces.clone();
        let room = async move { Ok(pieces.reserve_many(QUEUE / 2).await.is_ok()) };
        promise(env, room, |_, room| Ok(room))
    }

    /// Ends the body.
    #[napi(catch_unwind)]
    pub fn end(&mut self) -> Result<(), Failure> {
        match self.pieces.take() {
            Some((piece, pieces)) if !piece.is_empty() => send(piece, &pieces).map(drop),
            _ => Ok(()),
        }
    }

    /// Resolves with the answer.
    #[napi(catch_unwind)]
    pub fn answer<'env>(&mut self, env: &'env Env) -> Result<PromiseRaw<'env, JsAnswer>, Failure> {
        let task = self.task.take().ok_or(Failure::CLOSED)?;
        settle(env, task, |_, answer| Ok(answer.into()))
    }

    /// Abandons the request. A write whose body was complete may still happen.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.abort.abort();
        self.pieces = None;
    }
}

impl Drop for JsExchange {
    fn drop(&mut self) {
        if self.task.is_some() {
            self.abort.abort();
        }
    }
}

/// An answer.
#[napi(js_name = "Answer")]
pub struct JsAnswer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// `None` once taken.
    body: Option<AnswerBody>,
    committed: Option<Committed>,
    cause: Option<StoreError>,
}

impl From<Answer> for JsAnswer {
    fn from(answer: Answer) -> Self {
        let Answer { status, headers, body, committed, cause, .. } = answer;
        Self { status, headers, body: Some(body), committed, cause }
    }
}

/// A file that was committed.
#[napi(object, object_from_js = false)]
pub struct CommittedFile {
    /// Its name.
    pub root: String,
    /// Its length in bytes.
    pub length: f64,
    /// Whether the file is new.
    pub new: bool,
}

/// What went wrong in the store.
#[napi(object, object_from_js = false)]
pub struct Cause {
    /// The code of the error.
    pub code: &'static str,
    /// The message of the error.
    pub message: String,
}

#[napi]
impl JsAnswer {
    /// Returns the status code.
    #[napi(catch_unwind)]
    pub fn status(&self) -> u32 {
        self.status.into()
    }

    /// Returns the names and values of the headers in turn; once.
    #[napi(catch_unwind)]
    pub fn headers(&mut self) -> Vec<String> {
        take(&mut self.headers).into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// Returns the body: bytes, a stream of pieces, or nothing; once.
    #[napi(catch_unwind)]
    pub fn body<'env>(
        &mut self,
        env: &'env Env,
    ) -> Result<Option<Either<Uint8ArraySlice<'env>, Pieces>>, Failure> {
        Ok(match self.body.take() {
            None | Some(AnswerBody::Empty) => None,
            Some(AnswerBody::Bytes(whole)) => Some(Either::A(bytes::copied(env, &whole)?)),
            Some(AnswerBody::Stream(pieces)) => Some(Either::B(Pieces::new(pieces))),
        })
    }

    /// Returns the file that the request committed, if any.
    #[napi(catch_unwind)]
    pub fn committed(&self) -> Option<CommittedFile> {
        self.committed.map(|Committed { root, length, new, .. }| CommittedFile {
            root: root.to_string(),
            length: exact(length),
            new,
        })
    }

    /// Returns what went wrong in the store, if the client is told less; once.
    #[napi(catch_unwind)]
    pub fn cause(&mut self) -> Option<Cause> {
        let Failure { code, message } = self.cause.take()?.into();
        Some(Cause { code, message: message.into_owned() })
    }
}
