//! The shell around the protocol's engine: sockets, time and authorization.
//!
//! `patience` disconnects peers that stop reading; `http` answers requests about the server itself, and passes
//! the others on to the store's service; `access` authorizes; `totals` counts.

mod access;
mod http;
mod patience;
mod totals;

pub(crate) use access::Access;
pub(crate) use totals::Totals;

use chunker_store::Store;
use chunker_store::protocol::{Engine, Operation, RequestHead};
use chunker_store::service::StoreService;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use patience::Patient;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How long the head of a request may take to arrive, and a connection may wait for one.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// Bytes of the longest head.
const HEAD_SIZE: usize = 16 << 10;
/// Bytes of bodies that a connection buffers, in addition to those in the engine.
const BUFFER: usize = 128 << 10;
/// How long the server waits after it could not accept a connection, for example for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Everything that a server needs to answer requests.
#[derive(Debug)]
pub(crate) struct Server {
    service: StoreService,
    access: Arc<Access>,
    totals: Totals,
    /// How long a peer may make no progress.
    patience: Duration,
}

impl Server {
    pub(crate) fn new(
        engine: Engine,
        store: Store,
        access: Access,
        totals: Totals,
        patience: Duration,
    ) -> Self {
        let access = Arc::new(access);
        let asked = Arc::clone(&access);
        let authorize = move |head: &RequestHead, operation: Operation| {
            std::future::ready(asked.check(head, operation).map(|()| store.clone()))
        };
        let service = StoreService::new(engine, authorize).patience(patience).on_error(http::log_error);
        Self { service, access, totals, patience }
    }
}

/// Serves connections until `stop` is ready, then finishes running requests; returns whether they ended before
/// `grace`.
pub(crate) async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    connections: u32,
    stop: impl Future<Output = ()>,
    grace: impl Future<Output = ()>,
) -> bool {
    let (stopping, stopped) = watch::channel(false);
    let places = Arc::new(Semaphore::new(connections as usize));
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            Ok((place, listener.accept().await?.0))
        };
        tokio::select! {
            () = &mut stop => break,
            accepted = accepted => match accepted {
                Ok((place, stream)) => {
                    drop(tokio::spawn(connect(Arc::clone(&server), stream, stopped.clone(), place)));
                }
                Err::<_, io::Error>(error) => {
                    http::log(format_args!("cannot accept a connection: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stopping.send_replace(true);
    tokio::select! {
        _ = places.acquire_many(connections) => true,
        () = grace => false,
    }
}

/// Serves a connection to its end.
async fn connect(
    server: Arc<Server>,
    stream: TcpStream,
    mut stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let _open = server.totals.connected();
    drop(stream.set_nodelay(true)); // without it, it is only slower
    let stream = TokioIo::new(Patient::new(stream, server.patience));
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, std::convert::Infallible>(http::respond(&server, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.max_header_size(HEAD_SIZE).max_buf_size(BUFFER);
    let mut connection = pin!(builder.serve_connection(stream, service));
    // Errors of a connection are the peer's. Answers that were cut are logged where they are created.
    tokio::select! {
        ended = connection.as_mut() => return drop(ended),
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}
