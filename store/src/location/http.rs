//! The HTTP client of remote stores: hyper and rustls with Mozilla's roots, which cross-compile to every
//! target, where `object_store`'s own client does not.
//!
//! It also trusts the certificates in the file that `SSL_CERT_FILE` names. HTTPS goes through the proxy that
//! `HTTPS_PROXY` or `ALL_PROXY` names, unless `NO_PROXY` excludes the host. Plain HTTP, which is for servers
//! nearby and for the metadata of cloud machines, does not.

use bytes::Bytes;
use futures::TryFutureExt as _;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, Error};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;
use tower_service::Service as TowerService;

/// How long the other side may make no progress.
const PATIENCE: Duration = Duration::from_secs(60);
/// The slowest link for which uploads are given time, in bytes a second.
const SLOWEST: u64 = 16 << 10;

/// Returns the client.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = client(Matcher::from_env());
        client.map(HttpClient::new).map_err(|source| Error::Generic { store: "HTTP", source })
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn client(proxies: Matcher) -> Result<Service, BoxError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = std::env::var_os("SSL_CERT_FILE") {
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(PATIENCE));
    tcp.set_keepalive(Some(PATIENCE / 4));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(PATIENCE / 2)
        .build(https.wrap_connector(Route { tcp, proxies: Arc::new(proxies) }));
    Ok(Service(client))
}

/// Connects to a server, or to the proxy that leads to it.
#[derive(Clone)]
struct Route {
    tcp: Tcp,
    proxies: Arc<Matcher>,
}

impl TowerService<Uri> for Route {
    type Response = <Tcp as TowerService<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let encrypted = server.scheme_str() == Some("https");
        let Some(proxy) = self.proxies.intercept(&server).filter(|_| encrypted) else {
            return Box::pin(self.tcp.call(server).map_err(Into::into));
        };
        if proxy.uri().scheme_str() != Some("http") {
            let unsupported = format!("the proxy {} is not one of http://", proxy.uri());
            return Box::pin(std::future::ready(Err(unsupported.into())));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        Box::pin(tunnel.call(server).map_err(Into::into))
    }
}

#[derive(Debug)]
struct Service(Client<HttpsConnector<Route>, HttpRequestBody>);

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let length = request.body().content_length() as u64;
        let patience = PATIENCE + Duration::from_secs(length / SLOWEST);
        let response = tokio::time::timeout(patience, self.0.request(request)).await;
        let response = response.map_err(|error| HttpError::new(HttpErrorKind::Timeout, error))?;
        let response = response.map_err(|error| {
            let kind = if error.is_connect() { HttpErrorKind::Connect } else { kind_of(&error) };
            HttpError::new(kind, error)
        })?;
        let (head, body) = response.into_parts();
        let body = body.map_err(|error| HttpError::new(kind_of(&error), error));
        let body = Patient { body, idle: Box::pin(tokio::time::sleep(PATIENCE)) };
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// Returns what kind of error this is, which decides whether the request is sent again.
fn kind_of(error: &(dyn std::error::Error + 'static)) -> HttpErrorKind {
    for error in std::iter::successors(Some(error), |error| error.source()) {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_timeout() {
                return HttpErrorKind::Timeout;
            }
            if error.is_closed() || error.is_incomplete_message() || error.is_body_write_aborted() {
                return HttpErrorKind::Request;
            }
        }
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => return HttpErrorKind::Timeout,
            Some(
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => return HttpErrorKind::Interrupted,
            _ => {}
        }
    }
    HttpErrorKind::Unknown
}

/// A body that fails if nothing arrives for a while. Time without a reader does not count.
struct Patient<B> {
    body: B,
    idle: Pin<Box<Sleep>>,
}

impl<B: Body<Data = Bytes, Error = HttpError> + Unpin> Body for Patient<B> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.idle.as_mut().reset(tokio::time::Instant::now() + PATIENCE);
            return frame;
        }
        match self.idle.as_mut().poll(context) {
            Poll::Ready(()) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the server sent nothing for a minute");
                Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, error))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    fn request(url: &str) -> HttpRequest {
        hyper::Request::get(url).body(HttpRequestBody::empty()).unwrap()
    }

    #[tokio::test]
    async fn https_goes_through_the_proxy_and_stays_encrypted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://user:word@{}", listener.local_addr().unwrap());
        let seen = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let mut first = [0];
            connection.read_exact(&mut first).unwrap();
            (String::from_utf8(head).unwrap().to_lowercase(), first)
        });
        let client = client(Matcher::builder().https(proxy).no("excepted.test").build()).unwrap();
        assert!(client.call(request("https://bucket.test/name")).await.is_err());
        let (head, first) = seen.join().unwrap();
        assert!(head.starts_with("connect bucket.test:443 http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nproxy-authorization: basic "), "{head}");
        assert_eq!(first, [22], "a TLS handshake");
    }

    #[tokio::test]
    async fn a_proxy_of_another_kind_is_an_error() {
        let client = client(Matcher::builder().https("https://proxy.test").build()).unwrap();
        let error = client.call(request("https://bucket.test/name")).await.unwrap_err();
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        assert!(causes.last().unwrap().contains("is not one of http://"), "{causes:?}");
    }
}
