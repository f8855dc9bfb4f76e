//! Answers requests about the server itself, and passes the others on to the store's service.

use super::Server;
use crate::failure::message;
use chunker_store::StoreError;
use chunker_store::protocol::{Answer, Refusal, RequestHead};
use chunker_store::service::ReplyBody;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use std::fmt;
use std::io::{self, Write as _};

/// Answers a request.
pub(super) async fn respond(server: &Server, request: Request<Incoming>) -> Response<ReplyBody> {
    let (parts, body) = request.into_parts();
    let head = RequestHead::from(&parts);
    let service = &server.service;
    let refuse = |refusal| ("none", service.engine().refuse(&head, refusal));
    let answer = about_server(server, &parts.method, &head)
        .map(|answer| ("beside", answer))
        .or_else(|| server.access.check_host(&head).map_err(refuse).err());
    let request = Request::from_parts(parts, body);
    match answer {
        Some((operation, answer)) => service.respond_with(request, operation, answer),
        None => service.respond(request).await,
    }
}

/// Answers requests about the server itself, outside of the protocol: its health and its metrics.
fn about_server(server: &Server, method: &Method, head: &RequestHead) -> Option<Answer> {
    let engine = server.service.engine();
    let text = match head.target.as_str() {
        "/healthz" => "ok\n".to_owned(),
        "/metrics" => match server.access.check_host(head).and_then(|()| server.access.check_token(head)) {
            Ok(()) => server.totals.render(engine),
            Err(refusal) => return Some(engine.refuse(head, refusal)),
        },
        _ => return None,
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(engine.refuse(head, Refusal::method_not_allowed(&head.method, "GET, HEAD")));
    }
    Some(Answer::text(text))
}

/// Prints a failure of the store, and the request during which it happened.
pub(super) fn log_error(head: &RequestHead, error: &StoreError) {
    log(format_args!("{} {}: {}", head.method, head.target, message(error)));
}

/// Prints an error to standard error. If that is closed, the error is lost.
pub(super) fn log(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "error: {line}"));
}
