//! The protocol's engine: requests and answers, without sockets.

use crate::failure::{Failure, StoreFailure, chain};
use crate::options::{BOOLEAN, INTEGER, value};
use crate::store::{Pieces, Store};
use crate::terms::Bytes;
use crate::work::{Shared, Slot, owned, start, worked};
use bytes::Bytes as Piece;
use chunker_store::protocol::{
    Answer, AnswerBody, Begun, Committed, Engine, EngineOptions, Exchange, Origins, Refusal, Request,
    RequestHead,
};
use futures::stream::{StreamExt as _, TryStreamExt as _};
use rustler::{Atom, Binary, Encoder, Env, NifResult, Resource, ResourceArc, Term};
use std::panic::RefUnwindSafe;

mod atoms {
    rustler::atoms! {
        answer, any, enough, forbidden, insufficient_storage, misdirected_request, more, own, read_only, request,
        request_timeout, server_busy, stream, unauthorized
    }
}

struct EngineResource(Engine);

type EngineTerm = ResourceArc<EngineResource>;

#[rustler::resource_impl]
impl Resource for EngineResource {}

// Locks guard all of its state, and a panic does not change it.
impl RefUnwindSafe for EngineResource {}

/// Returns an engine with options by name; those left out are the engine's defaults.
#[rustler::nif]
fn engine_new<'a>(
    env: Env<'a>,
    options: Vec<(Atom, Term<'a>)>,
) -> NifResult<Result<EngineTerm, StoreFailure>> {
    let mut engine = EngineOptions::new();
    for (name, value) in options {
        engine = match with(engine, &name.to_term(env).atom_to_string()?, value) {
            Ok(engine) => engine,
            Err(failure) => return Ok(Err(failure)),
        };
    }
    Ok(Engine::new(engine).map(|engine| ResourceArc::new(EngineResource(engine))).map_err(Into::into))
}

fn with(options: EngineOptions, name: &str, term: Term<'_>) -> Result<EngineOptions, StoreFailure> {
    let integer = || value::<u64>(name, term, INTEGER);
    Ok(match name {
        "pack_bytes" => options.pack_bytes(integer()?),
        "pack_length" => options.pack_length(integer()?),
        "pack_chunks" => options.pack_chunks(integer()?),
        "missing_digests" => options.missing_digests(integer()?),
        "read_digests" => options.read_digests(integer()?),
        "chunk_bytes" => options.chunk_bytes(integer()?),
        "manifest_bytes" => options.manifest_bytes(integer()?),
        "memory" => options.memory(integer()?),
        "line" => options.line(value(name, term, INTEGER)?),
        "origins" => options.origins(origins(name, term)?),
        "credentials" => options.credentials(value(name, term, BOOLEAN)?),
        "prefix" => options.prefix(value::<String>(name, term, "a string")?),
        _ => return Err(Failure::ARGUMENT.into()),
    })
}

fn origins(name: &str, term: Term<'_>) -> Result<Origins, StoreFailure> {
    if atoms::own() == term {
        Ok(Origins::Own)
    } else if atoms::any() == term {
        Ok(Origins::Any)
    } else {
        value(name, term, ":own, :any or a list of strings").map(Origins::These)
    }
}

/// Returns the memory that requests have taken, in bytes, and the number of requests that wait for some.
#[rustler::nif]
fn engine_load(engine: EngineTerm) -> (u64, u64) {
    (engine.0.memory_taken(), engine.0.waiting() as u64)
}

worked! {
    /// A request and its answer, from the head of the request to the end of the answer.
    struct ExchangeResource(Stage);
}

type ExchangeTerm = ResourceArc<ExchangeResource>;

/// The state of an exchange.
enum Stage {
    Request(Request),
    Exchange(Box<Exchange>),
    Answer(Pieces<Piece>),
}

/// Method, target, names and values of all headers.
type Head<'a> = (Binary<'a>, Binary<'a>, Vec<(Binary<'a>, Binary<'a>)>);

fn head_of((method, target, headers): Head<'_>) -> RequestHead {
    let text = |binary: Binary<'_>| String::from_utf8_lossy(binary.as_slice()).into_owned();
    let headers = headers.into_iter().map(|(name, value)| (text(name), text(value)));
    RequestHead::new(text(method), text(target), headers)
}

/// Begins an exchange that the calling process owns: `{:answer, answer}`, or
/// `{:request, exchange, {operation, writes, root, body_length}}`.
#[rustler::nif]
fn exchange_begin<'a>(env: Env<'a>, engine: EngineTerm, head: Head<'a>) -> NifResult<Term<'a>> {
    Ok(match engine.0.begin(&head_of(head)) {
        Begun::Answer(answer) => (atoms::answer(), AnswerTerm::whole(answer)).encode(env),
        Begun::Request(request) => {
            let operation = request.operation();
            let name = Atom::from_str(env, operation.name())?;
            let root = request.root().map(|root| root.to_string());
            let asked = (name, operation.writes(), root, request.body_length());
            let exchange = owned(env, ExchangeResource(Slot::new(Stage::Request(request))));
            (atoms::request(), exchange, asked).encode(env)
        }
    })
}

/// Refuses a request that was not started, and closes its exchange.
#[rustler::nif]
fn exchange_refuse(exchange: ExchangeTerm, refusal: Term<'_>) -> NifResult<Result<AnswerTerm, StoreFailure>> {
    let refusal = refusal_of(refusal)?;
    Ok(match exchange.0.take() {
        Ok(Stage::Request(request)) => Ok(AnswerTerm::whole(request.refuse(refusal))),
        Ok(_) => Err(Failure::ARGUMENT.into()),
        Err(failure) => Err(failure.into()),
    })
}

/// Refuses a request, whatever it asks for, and returns the answer.
#[rustler::nif]
fn engine_refuse<'a>(engine: EngineTerm, head: Head<'a>, refusal: Term<'a>) -> NifResult<AnswerTerm> {
    Ok(AnswerTerm::whole(engine.0.refuse(&head_of(head), refusal_of(refusal)?)))
}

/// A refusal's name, `{:unauthorized, challenge}`, or `{status, code, message}`.
fn refusal_of(term: Term<'_>) -> NifResult<Refusal> {
    let named = [
        (atoms::forbidden(), Refusal::forbidden as fn() -> Refusal),
        (atoms::read_only(), Refusal::read_only),
        (atoms::request_timeout(), Refusal::request_timeout),
        (atoms::misdirected_request(), Refusal::misdirected),
        (atoms::server_busy(), Refusal::server_busy),
        (atoms::insufficient_storage(), Refusal::insufficient_storage),
    ];
    if let Some((_, refusal)) = named.iter().find(|(name, _)| *name == term) {
        return Ok(refusal());
    }
    if let Ok((name, challenge)) = term.decode::<(Atom, String)>()
        && name == atoms::unauthorized()
    {
        return Ok(Refusal::unauthorized(challenge));
    }
    let (status, code, message): (u16, String, String) = term.decode()?;
    let sound = |code: &str| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !(400..600).contains(&status) || code.is_empty() || !sound(&code) {
        return Err(rustler::Error::BadArg);
    }
    Ok(Refusal::new(status, code, message))
}

/// The next step of an exchange.
enum Next {
    /// Whether more of the body must be pushed.
    Body(bool),
    /// The answer; pieces of its body may follow.
    Answer(AnswerTerm),
}

impl Encoder for Next {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Self::Body(true) => atoms::more().encode(env),
            Self::Body(false) => atoms::enough().encode(env),
            Self::Answer(answer) => (atoms::answer(), answer).encode(env),
        }
    }
}

type Done<T> = (Option<Stage>, Result<T, StoreFailure>);

/// The result of a call out of turn; the state of the exchange does not change.
fn out_of_turn<T>(stage: Stage) -> Done<T> {
    (Some(stage), Err(Failure::ARGUMENT.into()))
}

fn refused(answer: Answer) -> Done<Next> {
    (None, Ok(Next::Answer(AnswerTerm::whole(answer))))
}

fn going_on(exchange: Box<Exchange>) -> Done<Next> {
    let needs_body = exchange.needs_body();
    (Some(Stage::Exchange(exchange)), Ok(Next::Body(needs_body)))
}

/// Starts to wait in line for memory, to work on the request with a store.
#[rustler::nif]
fn exchange_start<'a>(
    env: Env<'a>,
    exchange: ExchangeTerm,
    store: Store,
    reference: Term<'a>,
) -> Result<Atom, StoreFailure> {
    let store = store.0.clone();
    start(env, exchange, reference, |stage| async move {
        let Stage::Request(request) = stage else { return out_of_turn(stage) };
        match request.start(&store).await {
            Ok(exchange) => going_on(Box::new(exchange)),
            Err(answer) => refused(*answer),
        }
    })
}

/// Starts to take a piece of the body.
#[rustler::nif]
fn exchange_push<'a>(
    env: Env<'a>,
    exchange: ExchangeTerm,
    piece: Binary<'a>,
    reference: Term<'a>,
) -> Result<Atom, StoreFailure> {
    let piece = Shared::new(piece);
    start(env, exchange, reference, |stage| async move {
        let Stage::Exchange(mut exchange) = stage else { return out_of_turn(stage) };
        match exchange.push(piece.bytes()).await {
            Ok(()) => going_on(exchange),
            Err(answer) => refused(*answer),
        }
    })
}

/// Starts to create the answer.
#[rustler::nif]
fn exchange_finish<'a>(
    env: Env<'a>,
    exchange: ExchangeTerm,
    reference: Term<'a>,
) -> Result<Atom, StoreFailure> {
    start(env, exchange, reference, |stage| async move {
        let Stage::Exchange(exchange) = stage else { return out_of_turn(stage) };
        let (answer, pieces) = AnswerTerm::new(exchange.finish().await);
        (pieces.map(Stage::Answer), Ok(Next::Answer(answer)))
    })
}

/// Starts to read more of the answer's body: the result is a list of pieces, empty at the end.
#[rustler::nif]
fn exchange_next<'a>(
    env: Env<'a>,
    exchange: ExchangeTerm,
    reference: Term<'a>,
) -> Result<Atom, StoreFailure> {
    start(env, exchange, reference, |stage| async move {
        let Stage::Answer(mut pieces) = stage else { return out_of_turn(stage) };
        match pieces.next(Piece::len).await {
            Ok(next) => (Some(Stage::Answer(pieces)), Ok(next.into_iter().map(Bytes).collect::<Vec<_>>())),
            Err(error) => (None, Err(error)),
        }
    })
}

/// Ends an exchange at any moment.
#[rustler::nif]
fn exchange_close(exchange: ExchangeTerm) -> Atom {
    exchange.0.close();
    rustler::types::atom::ok()
}

/// Status, headers, body, the code of a refusal, the committed file, and what went wrong in the store.
struct AnswerTerm {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
    code: Option<String>,
    committed: Option<Committed>,
    cause: Option<String>,
}

enum Body {
    Whole(Piece),
    Pieces,
}

impl AnswerTerm {
    fn new(answer: Answer) -> (Self, Option<Pieces<Piece>>) {
        let (body, pieces) = match answer.body {
            AnswerBody::Empty => (Body::Whole(Piece::new()), None),
            AnswerBody::Bytes(bytes) => (Body::Whole(bytes), None),
            AnswerBody::Stream(pieces) => (Body::Pieces, Some(Pieces::new(pieces.err_into().boxed()))),
        };
        let answer = Self {
            status: answer.status,
            headers: answer.headers,
            body,
            code: answer.code.map(Into::into),
            committed: answer.committed,
            cause: answer.cause.map(|cause| chain(&cause)),
        };
        (answer, pieces)
    }

    /// Returns an answer without a store, with a complete body.
    fn whole(answer: Answer) -> Self {
        Self::new(answer).0
    }
}

impl Encoder for AnswerTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let body = match &self.body {
            Body::Whole(bytes) => Bytes(bytes).encode(env),
            Body::Pieces => atoms::stream().encode(env),
        };
        let committed =
            self.committed.map(|committed| (committed.root.to_string(), committed.length, committed.new));
        (self.status, &self.headers, body, &self.code, committed, &self.cause).encode(env)
    }
}
