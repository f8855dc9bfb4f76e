//! Requests of `hyper` as exchanges of the engine.

use super::{Server, patience, totals};
use crate::failure::message;
use bytes::Bytes;
use chunker_store::StoreError;
use chunker_store::protocol::{Answer, AnswerBody, AnswerStream, Begun, Exchange, Refusal, RequestHead};
use futures::StreamExt as _;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::fmt;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes of a refused body that are read so that the connection can be kept.
const DRAINED: u64 = 1 << 20;
/// How long a refused body is read before the connection is closed: closing with unread bytes would take
/// the answer away from the client.
const LINGER: Duration = Duration::from_secs(2);

/// Answers a request.
pub(super) async fn respond(server: &Server, request: Request<Incoming>) -> Response<Reply> {
    let (parts, mut body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or_else(|| "*".to_owned(), ToString::to_string);
    let headers = parts.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    let head = RequestHead::new(parts.method.as_str(), target, headers);
    let (operation, answer) = if let Some(answer) = beside(server, &parts.method, &head) {
        ("beside", answer)
    } else {
        answer(server, &head, &mut body).await
    };
    totals::answered(operation, answer.status);
    if let Some(cause) = &answer.cause {
        log(format_args!("{} {}: {}", head.method, head.target, message(cause)));
    }
    let mut response = Response::new(Reply::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if !body.is_end_stream() && !parts.headers.contains_key("expect") {
        let short = body.size_hint().upper().is_some_and(|rest| rest <= DRAINED);
        if !short || answer.status == 408 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        drop(tokio::spawn(tokio::time::timeout(LINGER, drain(body))));
    }
    response
}

/// Reads what is left of a body and drops it.
async fn drain(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Answers what is not of the protocol: whether the server lives, and what it has counted.
fn beside(server: &Server, method: &Method, head: &RequestHead) -> Option<Answer> {
    let text = match head.target.as_str() {
        "/healthz" => "ok\n".to_owned(),
        "/metrics" => match server.access.check_host(head).and_then(|()| server.access.check_token(head)) {
            Ok(()) => server.totals.render(&server.engine),
            Err(refusal) => return Some(server.engine.refuse(head, refusal)),
        },
        _ => return None,
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let refusal = Refusal::new(405, "method_not_allowed", "this path does not have this method");
        return Some(server.engine.refuse(head, refusal.with_header("Allow", "GET, HEAD")));
    }
    Some(Answer::text(text))
}

/// Answers what is of the protocol; says what was asked for.
async fn answer(server: &Server, head: &RequestHead, body: &mut Incoming) -> (&'static str, Answer) {
    if let Err(refusal) = server.access.check_host(head) {
        return ("none", server.engine.refuse(head, refusal));
    }
    let request = match server.engine.begin(head) {
        Begun::Answer(answer) => return ("none", answer),
        Begun::Request(request) => request,
    };
    let operation = request.operation();
    let access = server.access.check_token(head).and_then(|()| server.access.check_operation(operation));
    let answer = match access {
        Err(refusal) => request.refuse(refusal),
        Ok(()) => match request.start(&server.store).await {
            Ok(exchange) => finish(server, head, exchange, body).await,
            Err(answer) => *answer,
        },
    };
    (operation.name(), answer)
}

/// Gives the body to an exchange, and returns the answer.
async fn finish(server: &Server, head: &RequestHead, mut exchange: Exchange, body: &mut Incoming) -> Answer {
    while exchange.needs_body() {
        match patience::within(server.patience, body.frame()).await {
            Some(Some(Ok(frame))) => {
                let Ok(piece) = frame.into_data() else { continue };
                totals::received(piece.len());
                if let Err(answer) = exchange.push(piece).await {
                    return *answer;
                }
            }
            Some(_) => break, // the exchange says what is wrong with that
            None => return server.engine.refuse(head, Refusal::request_timeout()),
        }
    }
    exchange.finish().await
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Reply {
    Whole(Option<Bytes>),
    Pieces(AnswerStream),
}

impl Reply {
    fn new(body: AnswerBody) -> Self {
        match body {
            AnswerBody::Empty => Self::Whole(None),
            AnswerBody::Bytes(bytes) => Self::Whole(Some(bytes)),
            AnswerBody::Stream(pieces) => Self::Pieces(pieces),
        }
    }
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Self::Pieces(pieces) => pieces.poll_next_unpin(context),
        };
        match &piece {
            Poll::Ready(Some(Ok(bytes))) => totals::sent(bytes.len()),
            Poll::Ready(Some(Err(error))) => {
                totals::cut();
                log(format_args!("an answer was cut: {}", message(error)));
            }
            _ => {}
        }
        piece.map(|piece| Some(piece?.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(), // the head says it
        }
    }
}

/// Prints a line about what went wrong on standard error. If that is closed, there is nobody to tell.
pub(super) fn log(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "error: {line}"));
}
