//! The protocol as a `tower` service, for axum and other HTTP servers.
//!
//! ```
//! use chunker_store::protocol::{Engine, EngineOptions, Refusal};
//! use chunker_store::service::StoreService;
//! use chunker_store::{Store, StoreOptions};
//! use subtle::ConstantTimeEq as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("memory://service", StoreOptions::new()).await?;
//! let engine = Engine::new(EngineOptions::new())?;
//! let service = StoreService::new(engine, move |head, operation| {
//!     let given = head.header("authorization").unwrap_or_default();
//!     let is_known = bool::from(given.as_bytes().ct_eq(b"Bearer secret"));
//!     std::future::ready(match is_known || !operation.writes() {
//!         true => Ok(store.clone()),
//!         false => Err(Refusal::unauthorized("Bearer")),
//!     })
//! });
//! let app: axum::Router = axum::Router::new().nest_service("/store", service);
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! The service limits how long a client may pause while it *sends* a body. How long it may take to *read* an
//! answer is up to the server that owns the connection.

#[cfg_attr(not(feature = "metrics"), path = "no_counters.rs")]
mod counters;

use crate::error::StoreError;
use crate::protocol::{
    Answer, AnswerBody, AnswerStream, Begun, Committed, Engine, Exchange, Operation, Refusal, RequestHead,
};
use crate::store::Store;
use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use futures::future::{BoxFuture, ready};
use http::header::{CONNECTION, EXPECT, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// How long a client may pause while it sends a body, by default.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long this process may take to see what has arrived.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// Limit for reading a refused body so that the connection can be kept, in bytes.
const DRAINED: u64 = 1 << 20;
/// How long to read a refused body before the connection is closed: closing it with unread bytes would lose
/// the answer.
const LINGER: Duration = Duration::from_secs(2);

type Authorize = dyn Fn(&RequestHead, Operation) -> BoxFuture<'static, Result<Store, Refusal>> + Send + Sync;
type OnCommit = dyn Fn(&RequestHead, &Committed) + Send + Sync;
type OnError = dyn Fn(&RequestHead, &StoreError) + Send + Sync;

/// Answers HTTP requests from a store.
#[derive(Clone)]
pub struct StoreService {
    engine: Engine,
    authorize: Arc<Authorize>,
    on_commit: Arc<OnCommit>,
    on_error: Arc<OnError>,
    patience: Duration,
}

impl StoreService {
    /// Returns a service that calls `authorize` to decide whether a request may do what it asks for, and in
    /// which store. It is not called for preflights, which carry no credentials.
    #[must_use]
    pub fn new<F>(
        engine: Engine,
        authorize: impl Fn(&RequestHead, Operation) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Store, Refusal>> + Send + 'static,
    {
        let authorize = move |head: &RequestHead, operation| -> BoxFuture<'static, _> {
            Box::pin(authorize(head, operation))
        };
        Self {
            engine,
            authorize: Arc::new(authorize),
            on_commit: Arc::new(|_, _| ()),
            on_error: Arc::new(|_, _| ()),
            patience: PATIENCE,
        }
    }

    /// Returns a service that lets everyone do everything with `store`.
    #[must_use]
    pub fn open_to_all(engine: Engine, store: Store) -> Self {
        Self::new(engine, move |_, _| ready(Ok(store.clone())))
    }

    /// Calls `on_commit` for each committed file, before the client gets the answer.
    #[must_use]
    pub fn on_commit(self, on_commit: impl Fn(&RequestHead, &Committed) + Send + Sync + 'static) -> Self {
        Self { on_commit: Arc::new(on_commit), ..self }
    }

    /// Calls `on_error` for each failure of the store. The client's answer has no details, or is cut short.
    #[must_use]
    pub fn on_error(self, on_error: impl Fn(&RequestHead, &StoreError) + Send + Sync + 'static) -> Self {
        Self { on_error: Arc::new(on_error), ..self }
    }

    /// Sets how long a client may pause while it sends a body (default: 30 s). Time spent in the store does not
    /// count.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns the engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Answers a request.
    pub async fn respond<B>(&self, request: http::Request<B>) -> http::Response<ReplyBody>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
    {
        let (parts, mut body) = request.into_parts();
        let head = Arc::new(RequestHead::from(&parts));
        let (operation, answer) = self.answer(&head, &mut body).await;
        if let Some(committed) = &answer.committed {
            (self.on_commit)(&head, committed);
        }
        if let Some(cause) = &answer.cause {
            (self.on_error)(&head, cause);
        }
        let mut response = reply(&parts, body, operation, answer);
        response.body_mut().cut = Some((Arc::clone(&self.on_error), head));
        response
    }

    /// Sends an answer that the server chose itself, as [`respond`](Self::respond) does: counts it as
    /// `operation`, and drains the rest of the body.
    #[must_use]
    pub fn respond_with<B>(
        &self,
        request: http::Request<B>,
        operation: &'static str,
        answer: Answer,
    ) -> http::Response<ReplyBody>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
    {
        let (parts, body) = request.into_parts();
        reply(&parts, body, operation, answer)
    }

    /// Returns the name of the operation, and the answer.
    async fn answer<B: Body + Unpin>(&self, head: &RequestHead, body: &mut B) -> (&'static str, Answer) {
        let request = match self.engine.begin(head) {
            Begun::Answer(answer) => return ("none", answer),
            Begun::Request(request) => request,
        };
        let operation = request.operation();
        let answer = match (self.authorize)(head, operation).await {
            Err(refusal) => request.refuse(refusal),
            Ok(store) => match request.start(&store).await {
                Ok(exchange) => self.finish(head, exchange, body).await,
                Err(answer) => *answer,
            },
        };
        (operation.name(), answer)
    }

    /// Feeds the body to an exchange, and returns the answer.
    async fn finish<B: Body + Unpin>(
        &self,
        head: &RequestHead,
        mut exchange: Exchange,
        body: &mut B,
    ) -> Answer {
        while exchange.needs_body() {
            match within(self.patience, body.frame()).await {
                Some(Some(Ok(frame))) => {
                    let Ok(mut piece) = frame.into_data() else { continue };
                    let piece = piece.copy_to_bytes(piece.remaining());
                    counters::received(piece.len());
                    if let Err(answer) = exchange.push(piece).await {
                        return *answer;
                    }
                }
                Some(_) => break, // the exchange reports what is wrong
                None => return self.engine.refuse(head, Refusal::request_timeout()),
            }
        }
        exchange.finish().await
    }
}

impl fmt::Debug for StoreService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut service = f.debug_struct("StoreService");
        service.field("engine", &self.engine).field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<http::Request<B>> for StoreService
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = http::Response<ReplyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}

/// Returns the response to a request, and drains the rest of its body in the background.
fn reply<B>(
    parts: &http::request::Parts,
    body: B,
    operation: &'static str,
    answer: Answer,
) -> http::Response<ReplyBody>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    let status = answer.status;
    counters::answered(operation, status);
    let mut response = http::Response::from(answer);
    if !body.is_end_stream() && !parts.headers.contains_key(EXPECT) {
        let short = body.size_hint().upper().is_some_and(|rest| rest <= DRAINED);
        if parts.version <= Version::HTTP_11 && (!short || status == 408) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        drop(tokio::spawn(timeout(LINGER, drain(body))));
    }
    response
}

/// Reads and drops the rest of a body.
async fn drain<B: Body + Unpin>(mut body: B) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Returns the next piece from the client, or `None` if it takes too long.
///
/// After a process was suspended, its timers fire before it sees what has arrived in the meantime, so this
/// looks a second time.
async fn within<T>(patience: Duration, arrival: impl Future<Output = T>) -> Option<T> {
    let mut arrival = pin!(arrival);
    match timeout(patience, arrival.as_mut()).await {
        Ok(arrived) => Some(arrived),
        Err(_) => timeout(SECOND_LOOK.min(patience), arrival).await.ok(),
    }
}

impl From<&http::request::Parts> for RequestHead {
    fn from(parts: &http::request::Parts) -> Self {
        let target = parts.uri.path_and_query().map_or_else(|| "*".to_owned(), ToString::to_string);
        let headers = parts.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
        Self::new(parts.method.as_str(), target, headers)
    }
}

impl From<Answer> for http::Response<ReplyBody> {
    fn from(answer: Answer) -> Self {
        let body = match answer.body {
            AnswerBody::Empty => Content::Whole(None),
            AnswerBody::Bytes(bytes) => Content::Whole(Some(bytes)),
            AnswerBody::Stream(pieces) => Content::Pieces(pieces),
        };
        let mut response = Self::new(ReplyBody { content: body, cut: None });
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in answer.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// The body of an answer. If it ends with an error, the server must cut the connection.
pub struct ReplyBody {
    content: Content,
    /// The hook to call if the answer is cut, and the request it answers.
    cut: Option<(Arc<OnError>, Arc<RequestHead>)>,
}

enum Content {
    Whole(Option<Bytes>),
    Pieces(AnswerStream),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let reply = self.get_mut();
        let piece = match &mut reply.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Content::Pieces(pieces) => pieces.poll_next_unpin(context),
        };
        match &piece {
            Poll::Ready(Some(Ok(bytes))) => counters::sent(bytes.len()),
            Poll::Ready(Some(Err(error))) => {
                counters::cut();
                if let Some((on_error, head)) = &reply.cut {
                    on_error(head, error);
                }
            }
            _ => {}
        }
        piece.map(|piece| Some(piece?.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Pieces(_) => SizeHint::default(), // its Content-Length is a header
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").finish_non_exhaustive()
    }
}
