//! The protocol's engine: chunks and files over HTTP, without sockets.
//!
//! `docs/protocol.md` in the repository specifies what goes over the wire. The engine decides routes,
//! limits, answers and codes, and verifies every byte. A shell around it owns sockets, time and
//! authorization; `chunker serve` is such a shell.
//!
//! ```text
//! head ─▶ Engine::begin ─▶ Request ─▶ start(store) ─▶ Exchange ─▶ push, push, … ─▶ finish ─▶ Answer
//!               │             └─▶ refuse                            └─▶ Answer
//!               └─▶ Answer (preflights, refusals by the head alone)
//! ```
//!
//! 1. [`Engine::begin`] answers what the head alone decides, such as preflights. A shell authorizes only
//!    afterwards, by [`Request::operation`], and [refuses](Request::refuse) the request or chooses
//!    a store.
//! 2. [`Request::start`] waits in line for memory. Read the body only once it returns.
//! 3. [`Exchange::push`] takes the body in pieces of any size, and waits while it has enough of them.
//! 4. [`Exchange::finish`] returns the [`Answer`]. [`Answer::committed`] names a committed file, before
//!    the client gets its answer.
//!
//! You can drop any of these at any time without leaving anything behind. Once the whole body of a write has
//! arrived, the write may still happen, but never in part. The engine measures no time. A shell should limit
//! how long a *peer* makes no progress: while the shell waits for a piece of a body, or for the peer to take a
//! piece of an answer, but not while it waits for the engine.
//!
//! ```
//! use bytes::Bytes;
//! use chunker_store::protocol::{AnswerBody, Begun, Engine, EngineOptions, RequestHead};
//! use chunker_store::{Store, StoreOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(EngineOptions::new())?;
//! let store = Store::open("memory://protocol", StoreOptions::new()).await?;
//!
//! let headers = [("content-length", "32"), ("content-type", "application/octet-stream")];
//! let head = RequestHead::new("POST", "/v1/chunks/blake3/missing", headers);
//! let Begun::Request(request) = engine.begin(&head) else { unreachable!("it is well formed") };
//! // Here a shell authorizes the request.
//! let Ok(mut exchange) = request.start(&store).await else { unreachable!("there is memory") };
//! if exchange.needs_body() {
//!     let pushed = exchange.push(Bytes::from(vec![7; 32])).await;
//!     assert!(pushed.is_ok());
//! }
//! let answer = exchange.finish().await;
//! assert_eq!(answer.status, 200);
//! assert!(matches!(answer.body, AnswerBody::Bytes(bitmap) if bitmap[..] == [1]));
//! # Ok(())
//! # }
//! ```

mod answer;
mod arrival;
mod arriving;
mod budget;
mod chunks;
mod collected;
mod cors;
mod download;
mod exchange;
mod files;
mod intake;
mod json;
mod manifests;
mod media;
mod options;
mod range;
mod reading;
mod recent;
mod request;
mod route;
mod space;
pub mod wire;

pub use answer::{Answer, AnswerBody, AnswerStream, Committed, Refusal};
pub use exchange::{Begun, Engine, Exchange, Request};
pub use options::{EngineOptions, Origins};
pub use request::RequestHead;
pub use route::Operation;
