//! Requests: those about the server itself, and those that the service answers.

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
    let misdirected = |refusal| ("none", service.engine().refuse(&head, refusal));
    let answer = beside(server, &parts.method, &head)
        .map(|answer| ("beside", answer))
        .or_else(|| server.access.check_host(&head).map_err(misdirected).err());
    let request = Request::from_parts(parts, body);
    match answer {
        Some((operation, answer)) => service.respond_with(request, operation, answer),
        None => service.respond(request).await,
    }
}

/// Answers what is not of the protocol: whether the server lives, and what it has counted.
fn beside(server: &Server, method: &Method, head: &RequestHead) -> Option<Answer> {
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
        let refusal = Refusal::new(405, "method_not_allowed", "this path does not have this method");
        return Some(engine.refuse(head, refusal.with_header("Allow", "GET, HEAD")));
    }
    Some(Answer::text(text))
}

/// Prints what the store could not do for a request.
pub(super) fn log_error(head: &RequestHead, error: &StoreError) {
    log(format_args!("{} {}: {}", head.method, head.target, message(error)));
}

/// Prints a line about what went wrong on standard error. If that is closed, there is nobody to tell.
pub(super) fn log(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "error: {line}"));
}
