//! Exports the library's metrics by OTLP, as JSON over HTTP, to a collector or, without one, to a
//! receiver of its own that prints what arrives:
//! `cargo run --release --package exporters --bin otlp -- FILE... [http://collector:4318/v1/metrics]`

use chunker::chunking::{ChunkStream, ReadError};
use chunker::metrics_utils::{Tally, Totals, totals};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

fn main() -> Result<(), Box<dyn Error>> {
    let (endpoints, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("http://"));
    let (endpoint, receiver) = match endpoints.into_iter().next() {
        Some(endpoint) => (endpoint, None),
        None => {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            let endpoint = format!("http://{}/v1/metrics", listener.local_addr()?);
            (endpoint, Some(std::thread::spawn(move || receive(&listener))))
        }
    };
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(endpoint)
        .with_http_client(Client)
        .build()?;
    let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
    observe(&provider.meter("chunker"));

    for path in &files {
        let file = File::open(path).map_err(|source| ReadError { offset: 0, source })?;
        for chunk in ChunkStream::new(file, None, None, None)? {
            chunk?;
        }
    }
    provider.shutdown()?; // exports what was not yet
    if let Some(receiver) = receiver {
        println!("{}", receiver.join().map_err(|_| "the receiver panicked")??);
    }
    Ok(())
}

/// Has `meter` read the library's own totals when it exports: no recorder is needed.
fn observe(meter: &Meter) {
    type Values = Vec<(&'static str, u64)>;
    type Total = (&'static str, Option<&'static str>, fn(&Totals) -> Values);
    // Name, label, and a value for each of the label's values.
    const TOTALS: [Total; 9] = [
        ("chunker.chunks_emitted_total", None, |totals| {
            vec![("", totals.chunks.values().map(|chunks| chunks.count).sum())]
        }),
        ("chunker.bytes_processed_total", None, |totals| {
            vec![("", totals.chunks.values().map(|chunks| chunks.bytes).sum())]
        }),
        ("chunker.hash_operations_total", Some("algorithm"), |totals| {
            digests(totals).map(|(name, digests)| (name, digests.count)).collect()
        }),
        ("chunker.hash_bytes_total", Some("algorithm"), |totals| {
            digests(totals).map(|(name, digests)| (name, digests.bytes)).collect()
        }),
        ("chunker.compression_bytes_in_total", Some("codec"), |totals| {
            totals.compression.iter().map(|(&name, codec)| (name, codec.bytes_in)).collect()
        }),
        ("chunker.compression_bytes_out_total", Some("codec"), |totals| {
            totals.compression.iter().map(|(&name, codec)| (name, codec.bytes_out)).collect()
        }),
        ("chunker.decompression_bytes_in_total", Some("codec"), |totals| {
            totals.decompression.iter().map(|(&name, codec)| (name, codec.bytes_in)).collect()
        }),
        ("chunker.decompression_bytes_out_total", Some("codec"), |totals| {
            totals.decompression.iter().map(|(&name, codec)| (name, codec.bytes_out)).collect()
        }),
        ("chunker.errors_total", Some("kind"), |totals| {
            totals.errors.iter().map(|(&kind, &count)| (kind, count)).collect()
        }),
    ];
    for (name, label, values) in TOTALS {
        meter
            .u64_observable_counter(name)
            .with_callback(move |observer| {
                for (value, total) in values(&totals()) {
                    let label = label.map(|label| KeyValue::new(label, value));
                    observer.observe(total, label.as_slice());
                }
            })
            .build();
    }
}

/// The least of an HTTP client, without TLS; a program that has one already uses that.
#[derive(Debug)]
struct Client;

impl HttpClient for Client {
    fn send_bytes<'client, 'future>(
        &'client self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'client: 'future,
        Self: 'future,
    {
        Box::pin(async move { post(&request) })
    }
}

fn post(request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let host = request.uri().authority().ok_or("an endpoint has a host")?.as_str();
    let mut connection = BufReader::new(TcpStream::connect(host)?);
    let stream = connection.get_mut();
    write!(stream, "POST {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", request.uri().path())?;
    write!(stream, "content-type: application/json\r\ncontent-length: {}\r\n\r\n", request.body().len())?;
    stream.write_all(request.body())?;
    let mut status = String::new();
    connection.read_line(&mut status)?;
    let status: u16 = status.split(' ').nth(1).ok_or("no answer")?.parse()?;
    Ok(Response::builder().status(status).body(Bytes::new())?)
}

/// Answers one request, and returns its body.
fn receive(listener: &TcpListener) -> std::io::Result<String> {
    let (stream, _) = listener.accept()?;
    let mut request = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
            length = value.parse().map_err(std::io::Error::other)?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    request.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    let metrics: serde_json::Value = serde_json::from_slice(&body)?;
    Ok(serde_json::to_string_pretty(&metrics)?)
}

/// All digests, those of chunks among them.
fn digests(totals: &Totals) -> impl Iterator<Item = (&'static str, Tally)> {
    totals.digests.iter().map(|(&name, &digests)| (name, digests + totals.chunks[name]))
}
