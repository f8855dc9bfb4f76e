//! `chunker serve`: serves the store over HTTP.

use crate::args::{Global, Serve};
use crate::failure::Failure;
use crate::interrupt::Signals;
use crate::serve::{Access, Server, Totals, serve};
use crate::session::Session;
use chunker_store::protocol::{Engine, EngineOptions, Origins};
use chunker_store::{StoreError, StoreOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The environment variable with the token.
const TOKEN: &str = "CHUNKER_TOKEN";
/// How long requests may take to finish once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(30);

pub(crate) fn run(global: &Global, options: &Serve) -> Result<(), Failure> {
    let token = token(options.token_file.as_deref())?;
    if token.is_none() && !options.open && !options.listen.ip().is_loopback() {
        return Err(Failure::TokenNeeded { address: options.listen });
    }
    let engine = Engine::new(engine_options(options)).map_err(with_argument_names)?;
    let store_options = StoreOptions::new().create(!options.read_only).level(options.compression.level);
    let session = Session::open_server(global, store_options)?;
    session.wait(async {
        let mut signals = Signals::new().map_err(Failure::Signals)?;
        let failed = |source| Failure::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let access = Access::new(token.as_deref(), address.ip(), options.read_only);
        let totals = Totals::install().ok_or(Failure::Counting)?;
        let server = Server::new(engine, session.store.clone(), access, totals, options.patience);
        let url = format!("http://{address}{}", options.prefix);
        let json = serde_json::json!({ "url": url, "store": session.store.url() });
        session.output.print(&json, format_args!("serving {} at {url}", session.store.url()))?;
        let (sender, mut received) = watch::channel((0, None));
        drop(tokio::spawn(async move {
            loop {
                let signal = signals.next().await;
                sender.send_modify(|(count, last)| (*count, *last) = (*count + 1, Some(signal)));
            }
        }));
        let mut again = received.clone();
        let stop = async { drop(received.wait_for(|(count, _)| *count > 0).await) };
        // A second signal, or the end of the grace period, ends unfinished requests.
        let grace =
            async { drop(tokio::time::timeout(GRACE, again.wait_for(|(count, _)| *count > 1)).await) };
        let finished = serve(Arc::new(server), listener, options.max_connections, stop, grace).await;
        let (_, last) = *received.borrow();
        match last {
            Some(signal) if !finished => Err(Failure::Interrupted(signal)),
            _ => Ok(()),
        }
    })
}

fn engine_options(options: &Serve) -> EngineOptions {
    let origins = match options.origins.as_slice() {
        [] => Origins::Own,
        origins if origins.iter().any(|origin| origin == "*") => Origins::Any,
        origins => Origins::These(origins.to_vec()),
    };
    let engine = EngineOptions::new().origins(origins).credentials(options.credentials);
    engine.pack_bytes(options.max_body).memory(options.memory).prefix(options.prefix.as_str())
}

/// Replaces the name of an option by that of the argument it comes from.
fn with_argument_names(error: StoreError) -> StoreError {
    let StoreError::InvalidOption { option, value, expected } = error else { return error };
    let argument = match option {
        "pack_bytes" => "--max-body",
        "memory" => "--memory",
        "prefix" => "--prefix",
        "origins" => "--origin",
        "credentials" => "--credentials",
        other => other,
    };
    StoreError::InvalidOption { option: argument, value, expected }
}

/// Returns the token that clients must have, from a file or from the environment.
fn token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let token = match file {
        Some(path) => {
            let name = path.display().to_string();
            Some(std::fs::read_to_string(path).map_err(|source| Failure::Open { name, source })?)
        }
        None => std::env::var(TOKEN).ok(),
    };
    match token.as_deref().map(str::trim) {
        Some("") => Err(Failure::EmptyToken),
        token => Ok(token.map(str::to_owned)),
    }
}
