//! An exchange of a request and an answer, from its head to its end.

use super::answer::{Answer, AnswerBody, OCTETS, Refusal};
use super::arrival::Arrival;
use super::arriving::Arriving;
use super::budget::Budget;
use super::collected::Collected;
use super::cors;
use super::json::{self, Json};
use super::options::EngineOptions;
use super::recent::Recent;
use super::request::RequestHead;
use super::route::{Asked, Operation, Routed, route};
use super::{chunks, download, files, manifests};
use crate::chunk::Root;
use crate::error::StoreError;
use crate::store::Store;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The protocol's engine. Cheap to clone; all clones share one budget of memory.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Shared>);

/// State that all exchanges of an engine share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: EngineOptions,
    pub(super) budget: Budget,
    pub(super) recent: Recent,
    /// One permit per core: no more threads than that check and encode chunks.
    pub(super) work: Semaphore,
    pub(super) arriving: Arc<Arriving>,
}

/// Recently read manifests take one part in this many of the memory, on top of it.
const RECENT: u64 = 8;

/// The result of [`Engine::begin`].
#[derive(Debug)]
pub enum Begun {
    /// The head alone decided the answer.
    Answer(Answer),
    /// A request that the shell must now authorize.
    Request(Request),
}

impl Engine {
    /// Returns an engine.
    ///
    /// # Errors
    /// [`StoreError::InvalidOption`].
    pub fn new(options: EngineOptions) -> Result<Self, StoreError> {
        let options = options.checked()?;
        let budget = Budget::new(options.memory, options.line);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let recent = Recent::new(options.memory / RECENT);
        let work = Semaphore::new(cores);
        Ok(Self(Arc::new(Shared { options, budget, recent, work, arriving: Arc::default() })))
    }

    /// Begins an exchange with the head of its request.
    #[must_use]
    pub fn begin(&self, head: &RequestHead) -> Begun {
        let context =
            Context { headers: cors::headers(&self.0.options, head), head_only: head.method == "HEAD" };
        match route(&self.0.options, head) {
            Err(refusal) => Begun::Answer(context.answer(Err(refusal))),
            Ok(Routed::Methods(methods)) => {
                let mut answer = Answer::new(204, AnswerBody::Empty).with("Allow", methods);
                answer.headers.extend(cors::preflight(head, &context.headers, methods));
                Begun::Answer(context.answer(Ok(answer)))
            }
            Ok(Routed::Asked(asked, length)) => {
                Begun::Request(Request { shared: Arc::clone(&self.0), context, asked, length })
            }
        }
    }

    /// Refuses a request for the shell's own reasons, whatever it asks for, and returns the answer.
    #[must_use]
    pub fn refuse(&self, head: &RequestHead, refusal: Refusal) -> Answer {
        let context =
            Context { headers: cors::headers(&self.0.options, head), head_only: head.method == "HEAD" };
        context.answer(Err(refusal))
    }

    /// Memory that requests have taken, in bytes, of the [budget](EngineOptions::memory).
    #[must_use]
    pub fn memory_taken(&self) -> u64 {
        self.0.budget.taken()
    }

    /// Requests that wait for memory.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.budget.waiting()
    }
}

/// What every answer to a request needs.
#[derive(Debug)]
struct Context {
    headers: Vec<(&'static str, String)>,
    head_only: bool,
}

impl Context {
    fn answer(&self, result: Result<Answer, Refusal>) -> Answer {
        let mut answer = result.unwrap_or_else(Refusal::into_answer);
        if let AnswerBody::Bytes(bytes) = &answer.body
            && answer.header("content-length").is_none()
        {
            answer.headers.push(("Content-Length", bytes.len().to_string()));
        }
        if self.head_only {
            answer.body = AnswerBody::Empty;
        }
        if answer.header("cache-control").is_none() {
            answer.headers.push(("Cache-Control", "no-store".to_owned()));
        }
        answer.headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
        answer.headers.extend(self.headers.iter().cloned());
        answer
    }
}

/// A request with a well-formed head.
#[derive(Debug)]
pub struct Request {
    shared: Arc<Shared>,
    context: Context,
    asked: Asked,
    length: Option<u64>,
}

impl Request {
    /// What the request asks for.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.asked.operation()
    }

    /// The file that the request concerns, if any.
    #[must_use]
    pub const fn root(&self) -> Option<Root> {
        self.asked.root()
    }

    /// Length of the body in bytes, 0 if there is none. Use it for quotas; less may be stored.
    #[must_use]
    pub fn body_length(&self) -> u64 {
        self.length.unwrap_or_default()
    }

    /// Refuses the request, and returns the answer.
    #[must_use]
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.context.answer(Err(refusal))
    }

    /// Starts work on the request with a store; waits in line for memory.
    ///
    /// # Errors
    /// The answer, if the request is refused: `server_busy`, if the line is full.
    pub async fn start(self, store: &Store) -> Result<Exchange, Box<Answer>> {
        let Self { shared, context, asked, length } = self;
        let body = match Body::begin(&shared, store, &asked, length).await {
            Ok(body) => body,
            Err(refusal) => return Err(Box::new(context.answer(Err(refusal)))),
        };
        let length = length.unwrap_or_default();
        Ok(Exchange { shared, context, store: store.clone(), asked, length, received: 0, body })
    }
}

/// A request that is being worked on.
#[derive(Debug)]
pub struct Exchange {
    shared: Arc<Shared>,
    context: Context,
    store: Store,
    asked: Asked,
    length: u64,
    received: u64,
    body: Body,
}

/// What has arrived of a body.
#[derive(Debug)]
enum Body {
    /// There is none.
    None,
    /// It is needed whole.
    Collected(Collected),
    /// It is a pack.
    Pack(Arrival),
    /// It was refused.
    Refused,
}

impl Body {
    /// Takes the space for the body of a request.
    async fn begin(
        shared: &Arc<Shared>,
        store: &Store,
        asked: &Asked,
        length: Option<u64>,
    ) -> Result<Self, Refusal> {
        // A request without a body takes memory once it knows how much it needs.
        let Some(length) = length else { return Ok(Self::None) };
        match asked {
            Asked::WritePack(algorithm) => {
                Arrival::begin(shared, store, *algorithm, length).await.map(Self::Pack)
            }
            _ => Collected::begin(&shared.budget, &store.inner, length).await.map(Self::Collected),
        }
    }
}

impl Exchange {
    /// Whether more of the body must be [pushed](Self::push). If the request needs no body, drop the one that
    /// was sent.
    #[must_use]
    pub const fn needs_body(&self) -> bool {
        self.received < self.length && !matches!(self.body, Body::None | Body::Refused)
    }

    /// Takes the next piece of the body, of any size; waits while the engine is busy. If the future is dropped before
    /// it is ready, the body counts as refused.
    ///
    /// # Errors
    /// The answer, if the body is refused. You need not read the rest of it.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), Box<Answer>> {
        let pushed = self.take(piece).await;
        pushed.map_err(|refusal| Box::new(self.context.answer(Err(refusal))))
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Refusal> {
        let mut body = std::mem::replace(&mut self.body, Body::Refused);
        self.received += piece.len() as u64;
        if self.received > self.length {
            let Self { received, length, .. } = self;
            let message = format!("the body has at least {received} bytes (Content-Length: {length})");
            return Err(Refusal::malformed(message));
        }
        match &mut body {
            Body::Pack(arrival) => arrival.push(piece).await?,
            Body::Collected(collected) => collected.push(piece, self.length).await?,
            Body::None => {}
            Body::Refused => return Err(Refusal::malformed("the body was already refused")),
        }
        self.body = body;
        Ok(())
    }

    /// Returns the answer, once you have pushed the whole body.
    pub async fn finish(self) -> Answer {
        let Self { shared, context, store, asked, length, received, body } = self;
        if received < length {
            let message = format!("the body has {received} bytes (Content-Length: {length})");
            return context.answer(Err(Refusal::malformed(message)));
        }
        let head_only = context.head_only;
        let reader = Reader { shared: &shared, store: &store, head_only };
        let result = match (asked, body) {
            (Asked::WritePack(_), Body::Pack(arrival)) => arrival.finish().await,
            (Asked::AskMissing(algorithm), Body::Collected(digests)) => {
                chunks::missing(&reader, algorithm, digests, length).await
            }
            (Asked::ReadChunks { algorithm, form }, Body::Collected(digests)) => {
                chunks::read(&reader, algorithm, digests, length, form).await
            }
            (Asked::Commit { root, expected }, Body::Collected(manifest)) => {
                manifests::commit(&reader, root, expected, manifest, length).await
            }
            (Asked::ReadChunk(id, conditions), _) => chunks::read_one(&reader, id, &conditions).await,
            (Asked::ReadManifest(root, conditions), _) => manifests::read(&reader, root, &conditions).await,
            (Asked::ReadFile(root, conditions, presentation), _) => {
                files::read(&reader, root, &conditions, &presentation).await
            }
            (Asked::Download { root, form, part }, _) => download::read(&reader, root, form, part).await,
            (Asked::Delete(root), _) => files::delete(&store, root).await,
            (Asked::List { after, limit }, _) => files::list(&store, after, limit).await,
            (Asked::Usage, _) => files::usage(&store).await,
            (Asked::Describe, _) => Ok(describe(&shared.options)),
            (_, _) => Err(Refusal::malformed("the body was already refused")),
        };
        context.answer(result)
    }
}

fn describe(options: &EngineOptions) -> Answer {
    let json = Json::default().with("version", 1).with("encodings", json::array([json::text("zstd")]));
    Answer::json(200, json.with("limits", options.announced()).finish())
}

/// Access to stored bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) shared: &'a Shared,
    pub(super) store: &'a Store,
    /// No body is sent.
    pub(super) head_only: bool,
}

/// Adds headers that keep stored bytes from running as a page, and let clients cache them: they never change.
pub(super) fn stored(answer: Answer, tag: String) -> Answer {
    answer
        .with("ETag", tag)
        .with("Cache-Control", "private, max-age=31536000, immutable")
        .with("Content-Security-Policy", "sandbox")
}

/// Returns the answer to a client that already has the bytes.
pub(super) fn unchanged(tag: String) -> Answer {
    stored(Answer::new(304, AnswerBody::Empty), tag)
}

/// Returns an answer of `length` stored bytes.
pub(super) fn stored_bytes(length: u64, body: AnswerBody, tag: String) -> Answer {
    stored(Answer::streamed(200, length, body), tag).with("Content-Type", OCTETS)
}
